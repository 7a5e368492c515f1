import * as host from '#host/lines';
import { asked, text } from './border.js';

export const ensure = (file, line) => asked(host.ensure, text(file, 'the file'), text(line, 'the line'));
export const remove = (file, line) => asked(host.remove, text(file, 'the file'), text(line, 'the line'));
export const contains = (file, line) => asked(host.contains, text(file, 'the file'), text(line, 'the line'));
