#!/usr/bin/env node
/** The program behind `kaisatsu`: runs one command line and leaves with its exit code. */
import { main } from "./kaisatsu.js";

process.exitCode = await main(process.argv.slice(2));
