// Files of the folders that the command is granted.

import { list as listed, read as bytesOf, stat as asked } from '#host/files';
import { text } from './border.js';
import { decode } from './utf8.js';

export const read = (path) => bytesOf(text(path, 'the path'));
export const readText = (path) => decode(read(path));
export const list = (path) => listed(text(path, 'the path'));
export const stat = (path) => asked(text(path, 'the path'));
