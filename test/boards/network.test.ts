/**
 * The network road before hosts of every kind: none, slow, silent, hostile. A letter gets its answer or undefined, in its
 * time and in bounded memory; first contact says what is wrong and what to do.
 */
import { afterEach, describe, expect, test } from "vitest";
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { postClaim, postEnvelope, readProvider } from "../../boards/node/network.js";
import { limits } from "../../protocol/limits.js";

const servers: (Server | TcpServer)[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise<void>((done) => { server.close(() => done()); if ("closeAllConnections" in server) server.closeAllConnections(); });
});
async function listening(server: Server | TcpServer): Promise<string> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const host = (answer: RequestListener): Promise<string> => listening(createServer(answer));
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
const letter = new Uint8Array([1, 2, 3]);

describe("a letter", () => {
  test("is posted to the device door as it is, and its answer comes back as it is", async () => {
    const seen: unknown[] = [];
    const url = await host((request, reply) => void bodyOf(request).then((body) => {
      seen.push(request.method, request.url, request.headers["content-type"], [...body]);
      reply.end(Buffer.from([9, 0, 255]));
    }));
    expect(await postEnvelope(url, letter, 5000)).toEqual(new Uint8Array([9, 0, 255]));
    expect(seen).toEqual(["POST", "/device", "application/cose", [1, 2, 3]]);
    expect(await postEnvelope(url + "/", letter, 5000)).toEqual(new Uint8Array([9, 0, 255]));
    expect(seen[5]).toBe("/device");
  });

  test.each([400, 401, 404, 413, 429, 500, 503])("answered with %i is undefined, whatever its body says", async (status) => {
    const url = await host((_request, reply) => { reply.statusCode = status; reply.end("accepted"); });
    expect(await postEnvelope(url, letter, 5000)).toBeUndefined();
  });

  test.each([301, 302, 307, 308])("is not carried elsewhere: a redirection (%i) is undefined, and nobody is asked there", async (status) => {
    let elsewhere = 0;
    const other = await host((_request, reply) => { elsewhere++; reply.end("elsewhere"); });
    const url = await host((_request, reply) => { reply.writeHead(status, { location: other }); reply.end(); });
    expect(await postEnvelope(url, letter, 5000)).toBeUndefined();
    expect(elsewhere).toBe(0);
  });

  test("an answer of an envelope's size is taken, one byte more is not", async () => {
    let length = limits.envelopeBytesMax;
    const url = await host((_request, reply) => { reply.end(Buffer.alloc(length)); });
    expect(await postEnvelope(url, letter, 5000)).toHaveLength(limits.envelopeBytesMax);
    length++;
    expect(await postEnvelope(url, letter, 5000)).toBeUndefined();
  });

  test("an answer without end is hung up on as soon as it is too long", async () => {
    let sent = 0;
    let hungUp: () => void;
    const ended = new Promise<void>((done) => { hungUp = done; });
    const url = await host((_request, reply) => {
      const more = (): void => { while (!reply.destroyed && reply.write(Buffer.alloc(16384))) sent += 16384; };
      reply.on("drain", more);
      reply.on("close", () => hungUp());
      more();
    });
    expect(await postEnvelope(url, letter, 20_000)).toBeUndefined();
    await ended;
    expect(sent).toBeLessThan(16 << 20);
  });

  test.each([
    ["never answers", (() => undefined) as RequestListener],
    ["begins to answer and stops", ((_request, reply) => { reply.write("half"); }) as RequestListener],
    ["promises more than it sends", ((_request, reply) => { reply.writeHead(200, { "content-length": "100" }); reply.write("half"); }) as RequestListener],
  ])("to a host that %s is undefined when its time is over", async (_name, answer) => {
    expect(await postEnvelope(await host(answer), letter, 100)).toBeUndefined();
  });

  test("that nobody waits for any more is undefined at once, and the line is given back", async () => {
    const stop = new AbortController();
    let hungUp: () => void;
    const ended = new Promise<void>((done) => { hungUp = done; });
    const url = await host((request) => { request.socket.on("close", () => hungUp()); stop.abort(); });
    expect(await postEnvelope(url, letter, 60_000, stop.signal)).toBeUndefined();
    await ended;
    expect(await postEnvelope(url, letter, 60_000, stop.signal)).toBeUndefined();
  });

  test("to something that speaks no HTTP is undefined", async () => {
    const url = await listening(createTcpServer((socket) => { socket.on("error", () => undefined); socket.write("SSH-2.0-OpenSSH_9.2\r\n"); socket.destroySoon(); }));
    expect(await postEnvelope(url, letter, 5000)).toBeUndefined();
  });

  test.each(["http://127.0.0.1:9", "http://host.invalid:8080", "nonsense", "", "ftp://host"])("to %j is undefined", async (url) => {
    expect(await postEnvelope(url, letter, 5000)).toBeUndefined();
  });
});

describe("first contact", () => {
  const point = "02" + "ab".repeat(32);
  const page = { provider: "example", root: point, spareRoot: point, roles: ["AQI="], revocations: ["Aw=="] };
  const saying = (body: string): Promise<string> => host((_request, reply) => { reply.setHeader("content-type", "application/json"); reply.end(body); });

  test("reads whom it is about to trust", async () => {
    const read = await readProvider(await saying(JSON.stringify(page)));
    expect(read).toEqual({ provider: "example", root: new Uint8Array(Buffer.from(point, "hex")), spareRoot: new Uint8Array(Buffer.from(point, "hex")), roles: [new Uint8Array([1, 2])], revocations: [new Uint8Array([3])] });
  });

  test.each([
    ["nothing", ""], ["no JSON", "<html>router</html>"], ["null", "null"], ["a number", "7"], ["a list", "[]"], ["no root", JSON.stringify({ ...page, root: undefined })],
    ["a short root", JSON.stringify({ ...page, root: "02ab" })], ["a root of letters", JSON.stringify({ ...page, root: "02" + "xy".repeat(32) })], ["no spare root", JSON.stringify({ ...page, spareRoot: 5 })],
    ["no name", JSON.stringify({ ...page, provider: "" })], ["no roles", JSON.stringify({ ...page, roles: {} })], ["roles of numbers", JSON.stringify({ ...page, roles: [1] })], ["revocations of numbers", JSON.stringify({ ...page, revocations: [1] })], ["a megabyte", JSON.stringify({ ...page, more: "x".repeat(1 << 20) })],
  ])("with something that answers %s: it is no host, says the board error", async (_name, body) => {
    await expect(readProvider(await saying(body))).rejects.toMatchObject({ kind: "broken", message: expect.stringMatching(/is no kaisatsu host: check the address/) as unknown });
  });

  test("with an error page, or somebody who sends it elsewhere", async () => {
    const url = await host((_request, reply) => { reply.statusCode = 404; reply.end(JSON.stringify(page)); });
    await expect(readProvider(url)).rejects.toMatchObject({ kind: "broken" });
    const other = await saying(JSON.stringify(page));
    const sending = await host((_request, reply) => { reply.writeHead(302, { location: other + "/provider" }); reply.end(); });
    await expect(readProvider(sending)).rejects.toMatchObject({ kind: "absent" });
  });

  test.each([["http://127.0.0.1:9", /No host answers at http:\/\/127.0.0.1:9/], ["127.0.0.1:8080", /no address of a host: write it like http/], ["http://127.0.0.1:9/page", /nothing behind the port/]])("with %s: a board error that says what to do", async (url, says) => {
    await expect(readProvider(url)).rejects.toMatchObject({ kind: "absent", message: expect.stringMatching(says) as unknown });
    await expect(postClaim(url, letter)).rejects.toMatchObject({ kind: "absent" });
  });

  test("a claim goes to its door; one that is not taken is undefined", async () => {
    let status = 200;
    const url = await host((request, reply) => {
      if (request.url === "/provider") { reply.end(JSON.stringify(page)); return; }
      reply.statusCode = status;
      reply.end(request.url);
    });
    expect(Buffer.from((await postClaim(url, letter))!).toString()).toBe("/claim");
    status = 400;
    expect(await postClaim(url, letter)).toBeUndefined();
  });
});
