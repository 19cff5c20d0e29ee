/** The commands, in the order in which the overview lists them. */
import type { Command } from "./command.js";
import { inspectCommand } from "./inspect-command.js";
import { venueCommand } from "./venue/venue-command.js";

export const commands: readonly Command[] = [venueCommand, inspectCommand];
