/** An immersive AR session (WebXR Device API) with captions that stand in front of the eyes. */
// @ts-nocheck

import { HEIGHT, WIDTH, drawCaptions } from './captionImage';
import type { Caption } from './captionImage';

/** Where the captions stand: metres before the eyes and below their middle. */
const AHEAD = 1.4;
const BELOW = 0.32;
const WIDE = 1.2;
const TALL = (WIDE * HEIGHT) / WIDTH;

const VERTEX = `#version 300 es
uniform mat4 projection, view;
in vec2 corner;
out vec2 place;
void main() {
  place = vec2(corner.x, 1.0 - corner.y);
  vec3 at = vec3((corner.x - 0.5) * ${WIDE.toFixed(3)},
    (corner.y - 0.5) * ${TALL.toFixed(3)} - ${BELOW.toFixed(3)}, -${AHEAD.toFixed(3)});
  gl_Position = projection * view * vec4(at, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
uniform sampler2D picture;
in vec2 place;
out vec4 colour;
void main() { colour = texture(picture, place); }`;

export interface Glasses {
  show: (captions: readonly Caption[]) => void;
  end: () => Promise<void>;
}

function program(gl: WebGL2RenderingContext): WebGLProgram {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error('WebGL gave no shader');
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.bindAttribLocation(made, 0, 'corner');
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(made) ?? 'WebGL did not link');
  }
  return made;
}

/** What is drawn, and how: one rectangle with the picture of the captions. */
function painter(gl: WebGL2RenderingContext) {
  const used = program(gl);
  const picture = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = picture.getContext('2d') as unknown as CanvasRenderingContext2D;
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, true);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([0, 0, 1, 0, 0, 1, 1, 1]), gl.STATIC_DRAW);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
  gl.useProgram(used);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  const projection = gl.getUniformLocation(used, 'projection');
  const view = gl.getUniformLocation(used, 'view');
  return {
    write(captions: readonly Caption[]) {
      drawCaptions(context, captions);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    },
    draw(eye: XRView) {
      gl.uniformMatrix4fv(projection, false, eye.projectionMatrix);
      gl.uniformMatrix4fv(view, false, eye.transform.inverse.matrix);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    },
  };
}

/** Begins the session; call it from a click. */
export async function openGlasses(onEnd: () => void): Promise<Glasses> {
  if (!navigator.xr) throw new Error('This browser has no WebXR');
  const session = await navigator.xr.requestSession('immersive-ar');
  session.addEventListener('end', onEnd);
  const canvas = document.createElement('canvas');
  const gl = canvas.getContext('webgl2', { alpha: true, xrCompatible: true });
  if (!gl) {
    await session.end();
    throw new Error('This browser has no WebGL 2');
  }
  const layer = new XRWebGLLayer(session, gl);
  await session.updateRenderState({ baseLayer: layer });
  // In the viewer's own space: the captions go where the head goes.
  const space = await session.requestReferenceSpace('viewer');
  const captions = painter(gl);
  captions.write([]);
  const frame: XRFrameRequestCallback = (_time, now) => {
    session.requestAnimationFrame(frame);
    gl.bindFramebuffer(gl.FRAMEBUFFER, layer.framebuffer);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    for (const eye of now.getViewerPose(space)?.views ?? []) {
      const port = layer.getViewport(eye);
      if (!port) continue;
      gl.viewport(port.x, port.y, port.width, port.height);
      captions.draw(eye);
    }
  };
  session.requestAnimationFrame(frame);
  return { show: captions.write, end: () => session.end().catch(() => undefined) };
}
