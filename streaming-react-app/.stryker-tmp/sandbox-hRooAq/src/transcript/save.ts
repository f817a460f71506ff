/** Handing things over to the person: files and the clipboard. */
// @ts-nocheck


export function saveFile(name: string, type: string, content: BlobPart): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken the file over by then.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Whether it could be copied; insecure origins have no clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** `seamless-ABCD-20261122-1530.srt`: sorts by time, and is a name everywhere. */
export function fileName(roomID: string, extension: string, now: Date): string {
  const time = now.toISOString().slice(0, 16).replace(/[-:]/g, '').replace('T', '-');
  return `seamless-${roomID}-${time}.${extension}`;
}
