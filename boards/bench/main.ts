#!/usr/bin/env node
/** The program behind `kaisatsu`: runs one command line and leaves with its exit code. */
import { main } from "./kaisatsu.js";

// Whoever reads our lines may leave first (`| head`).
for (const stream of [process.stdout, process.stderr]) stream.on("error", (error: NodeJS.ErrnoException) => { if (error.code !== "EPIPE") throw error; });
// Device libraries keep timers of their own: leave once everything is written.
const code = await main(process.argv.slice(2));
process.stdout.write("", () => process.exit(code));
