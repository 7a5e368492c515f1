import * as host from '#host/exec';
import { asked, bytes, text, texts } from './border.js';
import { decode } from './utf8.js';

export function run(program, args = [], input = '') {
  const ended = asked(host.run, text(program, 'the program'), texts(args, 'the arguments'), bytes(input, 'the input'));
  return new Output(ended);
}

class Output {
  constructor({ status, stdout, stderr, truncated }) {
    this.status = status;
    this.stdout = stdout;
    this.stderr = stderr;
    this.truncated = truncated;
  }

  text() {
    return decode(this.stdout);
  }
}
