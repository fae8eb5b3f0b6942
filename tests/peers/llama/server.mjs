// SPDX-License-Identifier: Apache-2.0
/*
 * A model of llama.cpp behind an OpenAI-compatible API, for tests: server.mjs PORT MODEL.gguf LOG ANSWERS [--mad]
 *
 * POST .../chat/completions: with response_format json_schema the answer is held to the schema by a grammar. So many ANSWERS are
 * given, one after the other; then it says 503. Each is appended to LOG as one JSON object: what was asked (batch_id; clients: of each
 * the ids of its samples) and what was said (content, finish), and by which kind below.
 *
 * --mad: the model is one without sense (mad_gguf.py). It reads only the last characters of what it is asked, for it gains nothing from
 * the rest, and strings end sooner than by chance, else most answers would be cut. Its answers are of three kinds, in turn, half of them the last:
 *     form       anything that the schema allows
 *     batch      the batch_id is the right one, and times are no numbers beyond all numbers: its items are read
 *     informed   as dangerous as its form allows: of real clients, with plausible numbers, citing events that are there
 */
import {appendFileSync} from "node:fs";
import {createServer} from "node:http";
import {availableParallelism} from "node:os";
import {getLlama, LlamaChatSession, LlamaCompletion, LlamaLogLevel, TokenBias} from "node-llama-cpp";

const [port, file, log, most] = process.argv.slice(2);
const mad = process.argv.includes("--mad");
const MAD_READS = 200, MAD_QUOTE = 3;

// One of half a megabyte is slower by several threads that wait for each other; so is any, if one of them waits for a processor.
const threads = mad ? 1 : Math.max(1, availableParallelism() - 1);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: threads});
const model = await llama.loadModel({modelPath: file});
const context = await model.createContext(mad ? {contextSize: 2048, threads} : {threads});
const sequence = context.getSequence();
const quotes = mad ? TokenBias.for(model).set([model.tokenize('"').at(-1)], {logit: MAD_QUOTE}) : undefined;
const KINDS = ["form", "batch", "informed", "informed"];
let given = 0;

/* The document between the two lines of the user message. */
function documentOf(user) {
	return JSON.parse(user.split("\n")[1]);
}

/* An item for each client, which names what is there of it. */
function inform(schema, document) {
	const item = schema.properties.verdicts.items;
	const prefixItems = document.clients.map((client) => {
		const own = structuredClone(item);
		Object.assign(own.properties, {
			src: {enum: [client.src]},
			action: {enum: ["block", "allow"]},
			confidence: {enum: [0.2, 0.9, 1, 1.5]},
			ttl_s: {enum: [0, 60, 900, 86400]},
			evidence: {type: "array", items: {enum: [...client.samples.map((s) => s.id), "e9"]}, minItems: 1, maxItems: 3},
			reason: {type: "string", maxLength: 12},
		});
		return own;
	});
	schema.properties.verdicts = {type: "array", prefixItems, minItems: prefixItems.length, maxItems: prefixItems.length};
}

function schemaOf(asked, kind, document) {
	const schema = structuredClone(asked.response_format?.json_schema?.schema);
	if (schema && (kind === "batch" || kind === "informed"))
		schema.properties.batch_id = {enum: [document.batch_id]};
	if (schema && kind === "batch")
		schema.properties.verdicts.items.properties.ttl_s = {enum: [-60, 0, 60, 3600, 31536000, 99999999999]};
	if (schema && kind === "informed")
		inform(schema, document);
	return schema;
}

async function speak(system, user, options) {
	await sequence.clearHistory();
	if (mad) {
		const completion = new LlamaCompletion({contextSequence: sequence});
		const r = await completion.generateCompletionWithMeta(user.slice(-MAD_READS), {...options, temperature: 1.5, tokenBias: quotes});
		completion.dispose({disposeSequence: false});
		return [r.response, r.metadata.stopReason];
	}
	const session = new LlamaChatSession({contextSequence: sequence, systemPrompt: system, autoDisposeSequence: false});
	const r = await session.promptWithMeta(user, options);
	session.dispose();
	return [r.responseText, r.stopReason];
}

async function answer(asked) {
	const [system, user] = asked.messages.map((m) => m.content);
	const document = documentOf(user);
	const kind = mad ? KINDS[given % KINDS.length] : "own";
	const schema = schemaOf(asked, kind, document);
	const grammar = schema ? await llama.createGrammarForJsonSchema(schema) : undefined;
	const [content, stop] = await speak(system, user,
		{grammar, maxTokens: asked.max_tokens, temperature: asked.temperature ?? 0, seed: given + 1});
	const said = {
		kind, content, finish: stop === "maxTokens" ? "length" : "stop", batch_id: document.batch_id,
		clients: Object.fromEntries(document.clients.map((c) => [c.src, c.samples.map((s) => s.id)])),
	};
	appendFileSync(log, JSON.stringify(said) + "\n");
	given++;
	return {
		id: "x", object: "chat.completion", created: 1, model: "llama.cpp",
		choices: [{index: 0, message: {role: "assistant", content}, finish_reason: said.finish}],
	};
}

async function reply(parts, response) {
	let status = 503, body = {error: {message: "so many answers were wanted"}};
	if (given < Number(most)) {
		try {
			body = await answer(JSON.parse(Buffer.concat(parts).toString()));
			status = 200;
		} catch (e) {
			console.error(e);
			status = 500;
			body = {error: {message: String(e)}};
		}
	}
	const text = JSON.stringify(body);
	response.writeHead(status, {"content-type": "application/json", "content-length": Buffer.byteLength(text)});
	response.end(text);
}

let turn = Promise.resolve();

createServer((request, response) => {
	const parts = [];
	request.on("data", (part) => parts.push(part));
	request.on("end", () => {
		turn = turn.then(() => reply(parts, response));
	});
}).listen(Number(port), "127.0.0.1", () => console.log("ready"));
