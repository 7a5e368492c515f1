// The names that a program finds without an import, here. The build puts them
// where they are used (`esbuild --inject`), and nowhere else.

export { console } from './console.js';
export { fetch, Headers, Response } from './fetch.js';
export { TextDecoder, TextEncoder } from './utf8.js';
