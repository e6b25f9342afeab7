// Runs the vendor's reader or writer of firmware binaries: JSON of base64 in, JSON out.
// node vendor_tools.cjs NODE_MODULES read|write
const Module = require('module');
const path = require('path');

const [, , nodeModules, what] = process.argv;
// Other parts of it, not used here, need these packages.
const unneeded = ['archiver', 'tmp-promise', 'unzipper', '@particle/device-os-protobuf'];
const load = Module._load;
Module._load = (name, ...rest) => (unneeded.includes(name) ? {} : load(name, ...rest));
const lib = path.join(nodeModules, 'binary-version-reader', 'lib');
const HalModuleParser = require(path.join(lib, 'HalModuleParser'));
const tools = require(path.join(lib, 'moduleEncoding'));

async function read(binaries) {
	const found = {};
	for (const [name, content] of Object.entries(binaries)) {
		try {
			found[name] = await new HalModuleParser().parseBuffer({ fileBuffer: content });
			delete found[name].fileBuffer;
		} catch (error) {
			found[name] = { error: error.message };
		}
	}
	return found;
}

async function write({ application, other }) {
	const asset = { name: 'cat.jpg', data: Buffer.from('a cat') };
	const named = { type: 0x11, name: 'an application' };
	const ends = { type: 0x00 };
	const needs = { type: 0x03, moduleFunction: 4, moduleIndex: 2, moduleVersion: 77, targetId: 0 };
	const copy = () => Buffer.from(application);
	return {
		'compressed': await tools.compressModule(copy()),
		'combined': await tools.combineModules([copy(), Buffer.from(other)]),
		'with an asset': await tools.updateModuleAssetDependencies(copy(), [asset]),
		'with a name and a dependency':
			await tools.addModuleExtensions({ module: copy(), exts: [named, needs, ends] }),
		'an asset': await tools.createAssetModule(asset.data, asset.name),
		'protected': await tools.createProtectedModule(copy(), Buffer.from('a certificate')),
	};
}

async function main() {
	const chunks = [];
	for await (const chunk of process.stdin) {
		chunks.push(chunk);
	}
	const given = JSON.parse(Buffer.concat(chunks).toString());
	for (const name of Object.keys(given)) {
		given[name] = Buffer.from(given[name], 'base64');
	}
	const answer = await { read, write }[what](given);
	// Buffers become base64 where they stand alone, hex in what the reader says.
	console.log(JSON.stringify(answer, function (key, value) {
		const original = this[key];
		return Buffer.isBuffer(original) ? original.toString(what === 'write' ? 'base64' : 'hex') : value;
	}));
}

main().catch((error) => {
	console.error(error);
	process.exit(1);
});
