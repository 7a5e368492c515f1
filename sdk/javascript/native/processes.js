import { answer } from './recording.js';

export const running = answer('processes.running', () => []);
export const kill = answer('processes.kill', () => false);
