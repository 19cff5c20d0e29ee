/** The commands, in the order in which the overview lists them. */
import type { Command } from "./command.js";
import { inspectCommand } from "./inspect-command.js";

export const commands: readonly Command[] = [inspectCommand];
