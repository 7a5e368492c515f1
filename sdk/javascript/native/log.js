import { host } from './recording.js';

export function log(level, message) {
  host.calls.push(`log ${level[0].toUpperCase()}${level.slice(1)} ${message}`);
}
