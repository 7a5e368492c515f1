// Files over wasi:filesystem, in the folders that the engine has opened.

import { getDirectories } from 'wasi:filesystem/preopens@0.2.0';
import { RiposteError } from '../error.js';
import { using } from './using.js';

// What one call reads. A file is read until it ends.
const PIECE = 1 << 20;
const KINDS = { 'regular-file': 'file', directory: 'folder', 'symbolic-link': 'link' };

export function read(path) {
  return using(opened(path, {}), (file) => whole(path, file));
}

function whole(path, file) {
  const pieces = [];
  let size = 0;
  for (;;) {
    const [piece, last] = said(path, () => file.read(PIECE, size));
    pieces.push(piece);
    size += piece.length;
    if (last || piece.length === 0) break;
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

export function list(path) {
  return using(opened(path, { directory: true }), (folder) =>
    using(said(path, () => folder.readDirectory()), (entries) => sorted(path, entries)),
  );
}

function sorted(path, entries) {
  const all = [];
  for (;;) {
    const entry = said(path, () => entries.readDirectoryEntry());
    if (!entry) return all.sort((a, b) => (a.name < b.name ? -1 : 1));
    all.push({ name: entry.name, kind: KINDS[entry.type] ?? 'other' });
  }
}

export function stat(path) {
  const { folder, rest } = granted(path);
  const found = said(path, () => (rest === '' ? folder.stat() : folder.statAt({}, rest)));
  const at = found.dataModificationTimestamp;
  return {
    kind: KINDS[found.type] ?? 'other',
    size: found.size,
    modified: at ? new Date(at.seconds * 1000 + Math.floor(at.nanoseconds / 1e6)) : undefined,
  };
}

function opened(path, openFlags) {
  const { folder, rest } = granted(path);
  return said(path, () => folder.openAt({ symlinkFollow: true }, rest || '.', openFlags, { read: true }));
}

// All granted folders and their names: asked for once in a call, since each answer
// is new handles.
let folders;

// The granted folder that holds a path, and the path in it. The longest wins.
function granted(path) {
  let best;
  for (const [folder, name] of (folders ??= getDirectories())) {
    const prefix = name.endsWith('/') ? name : `${name}/`;
    const inside = path === name || path.startsWith(prefix);
    if (inside && (!best || name.length > best.name.length)) best = { folder, name, rest: path.slice(prefix.length) };
  }
  if (!best) throw new RiposteError('denied', `no <folder/> of this command holds ${path}`);
  return best;
}

function said(path, call) {
  try {
    return call();
  } catch (error) {
    const code = error.payload;
    if (typeof code !== 'string') throw error;
    if (code === 'no-entry') throw RiposteError.failed(`${path} is not there`);
    if (code === 'access' || code === 'not-permitted') throw new RiposteError('denied', `${path} may not be read`);
    throw RiposteError.failed(`${path} cannot be read: ${code}`);
  }
}
