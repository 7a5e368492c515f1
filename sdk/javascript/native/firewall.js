import { holds, make, undo } from './recording.js';

export const block = make('firewall.block');
export const unblock = undo('firewall.unblock');
export const blocked = holds('firewall.blocked');
