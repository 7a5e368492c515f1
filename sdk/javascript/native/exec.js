import { answer } from './recording.js';

const ran = answer('exec.run', () => ({}));

export function run(program, args) {
  const none = new Uint8Array(0);
  return { status: 0, stdout: none, stderr: none, truncated: false, ...ran([program, ...args].join(' ')) };
}
