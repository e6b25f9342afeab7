// What the installed clients offer: every method of the one, every command of the other.
// node surface.cjs NODE_MODULES
const path = require('node:path');

const modules = process.argv[2];
const Particle = require(path.join(modules, 'particle-api-js'));
const commandProcessor = require(path.join(modules, 'particle-cli/src/app/command-processor'));
const App = require(path.join(modules, 'particle-cli/src/app/cli'));
const registerAll = require(path.join(modules, 'particle-cli/src/cli'));

const methods = Object.getOwnPropertyNames(Particle.prototype)
	.filter((name) => name !== 'constructor' && !name.startsWith('_'));

function commandsBelow(item, words) {
	return Object.values(item.commands).flatMap((command) => {
		const path = [...words, command.name];
		const own = command.options.handler ? [path.join(' ')] : [];
		return [...own, ...commandsBelow(command, path)];
	});
}

const app = new App();
registerAll({ commandProcessor, root: app.rootCategory, app });
console.log(JSON.stringify({ methods, commands: commandsBelow(app.rootCategory, []) }));
process.exit(0);
