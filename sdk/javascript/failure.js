// What an exception becomes.

import { RiposteError } from './error.js';
import * as log from './log.js';

// What the engine is told. What the author did not throw as a RiposteError is a
// fault of the plugin: its stack goes to the log.
export function failure(error) {
  if (error instanceof RiposteError) return error;
  const [what, stack] = described(error);
  log.error(what);
  // Node.js puts the message before the frames, QuickJS does not.
  for (const line of stack.split('\n')) if (/^\s*at /.test(line)) log.error(line.trimEnd());
  return new RiposteError('failed', what, false, { cause: error });
}

// What it is, and its stack. An exception may be anything, also what throws when
// it is looked at.
function described(error) {
  try {
    const what = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`;
    return [what, typeof error?.stack === 'string' ? error.stack : ''];
  } catch {
    return ['thrown: something that is no text', ''];
  }
}
