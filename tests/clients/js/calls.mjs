// Calls methods of particle-api-js, one a line: {settings, first, method, words} in, {body} or
// {error} out; `first` is called before, `agent` asks the library's smaller agent instead of it.
// node calls.mjs NODE_MODULES. Bytes travel as {$bytes: base64}, in both directions.
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const require = createRequire(path.join(process.argv[2], 'calls.mjs'));
const Particle = require('particle-api-js');

const withBytes = (key, value) =>
	value && typeof value === 'object' && '$bytes' in value
		? Buffer.from(value.$bytes, 'base64')
		: value;

function spelled(value) {
	return JSON.stringify(value, function (key, kept) {
		const found = this[key];
		return Buffer.isBuffer(found) ? { $bytes: found.toString('base64') } : kept;
	});
}

async function call({ settings, first, agent, method, words }) {
	const particle = new Particle(settings);
	for (const [setter, ...values] of first) {
		particle[setter](...values);
	}
	try {
		const asked = agent ? particle.client({ auth: settings.auth }) : particle;
		const said = await asked[method](...words);
		return { body: said?.statusCode ? said.body : said };
	} catch (error) {
		return {
			error: {
				status: error.statusCode ?? null,
				sentence: error.shortErrorDescription ?? error.errorDescription ?? error.message,
				body: error.body ?? null,
			},
		};
	}
}

for await (const line of readline.createInterface({ input: process.stdin })) {
	const answer = await call(JSON.parse(line, withBytes));
	process.stdout.write(`${spelled(answer)}\n`);
}
process.exit(0);
