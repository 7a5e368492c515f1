import { answer } from './recording.js';

export const send = answer('mail.send');
