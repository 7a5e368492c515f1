import { holds, make, undo } from './recording.js';

export const isolate = () => made('host');
export const release = () => undone('host');
export const isolated = () => held('host');

const made = make('isolation.isolate');
const undone = undo('isolation.release');
const held = holds('isolation.isolated');
