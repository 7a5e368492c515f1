#!/usr/bin/env node
// Makes a component of a response: esbuild makes one file of it, componentize-qjs
// puts that into a JavaScript engine and keeps the engine as it is once the file
// has been read.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const SDK = dirname(fileURLToPath(import.meta.url));
const WORLD = 'riposte/world';
const HELP = `Makes a component of a response, in the folder of its project.

Usage: build.mjs SOURCE COMPONENT   src/block.ts build/block.wasm
       build.mjs --test SOURCE...   runs native tests, also in TypeScript

\`riposte plugin build\` writes ${WORLD} and then runs this.
Exit codes: 0 done; 1 it did not work, and the last line says why; 2 usage.`;

// Interfaces that every response may import without a grant.
const ALWAYS = ['types', 'invocation', 'alert', 'log', 'config'];
// The engine leaves promises alone until a call is over. Without these three,
// esbuild turns them into generators over the promises of the SDK.
const SYNCHRONOUS = ['async-await', 'for-await', 'async-generator'].map((what) => `--supported:${what}=false`);

main(process.argv.slice(2));

function main(words) {
  if (words.includes('--help') || words.includes('-h')) return console.log(HELP);
  if (words[0] === '--test' && words.length > 1) return test(words.slice(1));
  if (words.length !== 2 || words.some((word) => word.startsWith('-'))) fail(HELP, 2);
  const [source, component] = words;
  if (!existsSync(source)) fail(`${source} is not there: name the file that exports the response`);
  if (!existsSync(join(WORLD, 'world.wit'))) fail(`${WORLD}/world.wit is not there: run \`riposte plugin build\`, which writes it`);
  install();
  if (/\.[cm]?ts$/.test(source) && existsSync('tsconfig.json')) run('tsc', ['--noEmit']);
  const work = dirname(component);
  mkdirSync(work, { recursive: true });
  const bundle = join(work, `${basename(component, '.wasm')}.js`);
  const parts = bundled(source, bundle);
  const world = readFileSync(join(WORLD, 'world.wit'), 'utf8');
  checkExport(source, parts.exports, world);
  checkImports(source, parts.imports, world);
  componentize(bundle, component, work);
}

// Fetches the tools that package.json names, once.
function install() {
  if (existsSync('node_modules') || !existsSync('package.json')) return;
  console.log('npm install, once for this project');
  run('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error']);
}

// One file of the response and everything that it imports; what it exports, and
// what it takes from the engine.
function bundled(source, bundle) {
  const meta = `${bundle}.json`;
  run('esbuild', [
    source,
    '--bundle',
    '--format=esm',
    '--target=es2023',
    '--conditions=riposte',
    '--external:active-response:*',
    '--external:wasi:*',
    ...SYNCHRONOUS,
    `--inject:${join(SDK, 'globals.js')}`,
    `--outfile=${bundle}`,
    `--metafile=${meta}`,
    '--log-level=warning',
  ]);
  const [{ exports, imports }] = Object.values(JSON.parse(readFileSync(meta, 'utf8')).outputs);
  rmSync(meta);
  return { exports, imports: imports.filter(({ external }) => external).map(({ path }) => path) };
}

// Forgotten, it would be missed only when the response is called.
function checkExport(source, exports, world) {
  const kind = /\bexport\s+[\w:/-]*oneshot|include\s+[\w:/-]*oneshot-response/.test(world) ? 'oneshot' : 'reversible';
  if (exports.includes(kind)) return;
  const define = kind === 'oneshot' ? 'defineOneshot({ run })' : 'defineResponse({ add, delete })';
  const has = exports.length === 0 ? 'exports nothing' : `exports ${exports.join(', ')}`;
  fail(`${source} ${has}; plugin.toml says kind = "${kind}", so write \`export const ${kind} = ${define}\`, or change the kind`);
}

// What the code uses must be declared; what is declared must be granted.
function checkImports(source, imports, world) {
  const used = new Set(imports.map(capability));
  const declared = new Set([...world.matchAll(/^\s*import\s+([^;]+);/gm)].map(([, path]) => capability(path.trim())));
  const known = (name) => declared.has(name) || ALWAYS.includes(name);
  const missing = [...used].filter((name) => !known(name));
  if (missing.length > 0) {
    const list = [...new Set([...declared].filter((name) => !ALWAYS.includes(name)).concat(missing))];
    const words = list.map((name) => JSON.stringify(name)).join(', ');
    fail(`${source} uses ${missing.join(', ')}, which plugin.toml does not declare: write capabilities = [${words}]`);
  }
  const idle = [...declared].filter((name) => !used.has(name) && !ALWAYS.includes(name));
  if (idle.length > 0) console.log(`warning: plugin.toml declares ${idle.join(', ')}, and ${source} does not use it`);
}

// The word of plugin.toml for an interface.
function capability(path) {
  if (path.startsWith('wasi:http/')) return 'http';
  if (path.startsWith('wasi:')) return 'folder';
  return path.replace(/^[^/]*\//, '').replace(/@.*$/, '');
}

// The tool reads the file with an engine of its own that knows some of WASI, but
// no HTTP, and takes the two for different things. So the response's own WASI
// goes through it under a name as long as the right one, which it then gets.
function componentize(bundle, component, work) {
  const own = existsSync(join(WORLD, 'deps/io'));
  const world = own ? join(work, 'world') : WORLD;
  // The file keeps its name, which stands in stacks.
  const rename = (from, to) => rewrite(bundle, (text) => text.replace(new RegExp(`^(import .* from ")${from}:`, 'gm'), `$1${to}:`));
  if (own) {
    rmSync(world, { recursive: true, force: true });
    cpSync(WORLD, world, { recursive: true });
    for (const file of files(world)) rewrite(file, (text) => text.replaceAll('wasi:', 'late:'));
    rename('wasi', 'late');
  }
  const made = spawnSync(
    found('componentize-qjs'),
    ['--wit', world, '--world', 'plugin', '--js', bundle, '--sync', '--opt-size', '--output', component],
    { encoding: 'utf8' },
  );
  if (own) {
    rename('late', 'wasi');
    rmSync(world, { recursive: true });
  }
  if (made.status !== 0) fail(refused(bundle, `${made.stdout ?? ''}${made.stderr ?? made.error}`));
  if (own) writeFileSync(component, renamed(readFileSync(component)));
  console.log(`${component}: ${Math.round(readFileSync(component).length / 1024)} KiB`);
}

// Why the tool did not take the file. It runs what stands outside of functions,
// and there is no engine then.
function refused(bundle, said) {
  const early = /unknown import: `([^`]+)`/.exec(said);
  if (early) {
    const [, name] = early;
    return `${bundle} calls ${name.replace(/^late:/, 'wasi:')} when it is loaded, which happens once, now: call it in a function of the response`;
  }
  return `componentize-qjs did not take ${bundle}:\n${said}`;
}

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? files(path) : [path];
  });
}

function rewrite(file, change) {
  writeFileSync(file, change(readFileSync(file, 'utf8')));
}

// The component with the right names in its imports (sections with the number
// 10 of the component itself); code and data stay as they are.
function renamed(component) {
  const late = Buffer.from('late:');
  let at = 8;
  while (at < component.length) {
    const section = component[at++];
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = component[at++];
      size += (byte & 127) * 2 ** shift;
      if (byte < 128) break;
    }
    const body = component.subarray(at, at + size);
    at += size;
    if (section !== 10) continue;
    for (let place = body.indexOf(late); place >= 0; place = body.indexOf(late, place)) body.write('wasi:', place);
  }
  return component;
}

// Native tests: TypeScript is turned into JavaScript, and Node.js runs them.
function test(sources) {
  install();
  const out = resolve('build/test');
  rmSync(out, { recursive: true, force: true });
  run('esbuild', [
    ...sources,
    '--bundle',
    '--platform=node',
    '--format=esm',
    '--packages=external',
    '--out-extension:.js=.mjs',
    `--outdir=${out}`,
    '--sourcemap=inline',
    '--log-level=warning',
  ]);
  run(process.execPath, ['--enable-source-maps', '--test', '--test-reporter=spec', ...files(out)]);
}

// Runs a tool; when it fails it has said why.
function run(program, words) {
  const { status, error } = spawnSync(found(program), words, { stdio: 'inherit' });
  if (error) fail(`${program} did not start: ${error.message}`);
  if (status !== 0) fail(program === 'npm' ? 'npm did not get what package.json names: see above' : `${program} found something wrong: see above`);
}

// A tool of the project, else of PATH.
function found(program) {
  if (program.includes('/')) return program;
  const places = [resolve('node_modules/.bin'), ...(process.env.PATH ?? '').split(delimiter)];
  const place = places.find((folder) => existsSync(join(folder, program)));
  if (!place && program === 'npm') fail('npm is not there: it comes with Node.js; on Debian and Ubuntu `apt install npm`');
  if (!place) fail(`${program} is not there: run \`npm install\` in the folder of the project`);
  return join(place, program);
}

function fail(why, code = 1) {
  console.error(why);
  process.exit(code);
}
