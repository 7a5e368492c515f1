import { holds, make, undo } from './recording.js';

export const ensure = make('lines.ensure');
export const remove = undo('lines.remove');
export const contains = holds('lines.contains');
