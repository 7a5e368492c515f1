import { holds, make, undo } from './recording.js';

export const put = make('quarantine.put');
export const restore = undo('quarantine.restore');
export const holds_ = holds('quarantine.holds');
export { holds_ as holds };
