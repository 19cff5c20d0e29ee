#!/usr/bin/env node
/** The program behind `kaisatsu`: runs one command line and leaves with its exit code. */
import { main } from "./kaisatsu.js";

// Device libraries keep timers of their own: leave once everything is written.
const code = await main(process.argv.slice(2));
process.stdout.write("", () => process.exit(code));
