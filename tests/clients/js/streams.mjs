// Opens an event stream with particle-api-js and prints what becomes of it, one JSON object a line:
// node streams.mjs NODE_MODULES METHOD SETTINGS OPTIONS. Ends when its input does.
import { createRequire } from 'node:module';
import path from 'node:path';

const [modules, method, settings, options] = process.argv.slice(2);
const require = createRequire(path.join(modules, 'streams.mjs'));
const Particle = require('particle-api-js');

const say = (what, said = null) => process.stdout.write(`${JSON.stringify({ what, said })}\n`);

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));

try {
	const particle = new Particle(JSON.parse(settings));
	const stream = await particle[method](JSON.parse(options));
	for (const what of ['event', 'disconnect', 'reconnect', 'reconnect-success', 'error']) {
		stream.on(what, (said) => say(what, said));
	}
	say('connected');
} catch (error) {
	say('refused', { status: error.statusCode, sentence: error.errorDescription });
}
