import { mkdirSync } from 'node:fs';
import { PICTURES } from '../support/paths';
import build, { makeMicrophone } from '../support/setup';
import { TALK, recordings } from './talk';

export default function setup(): void {
  build();
  mkdirSync(PICTURES, { recursive: true });
  makeMicrophone(TALK, recordings());
}
