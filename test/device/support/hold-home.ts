import { lockHome } from "../../../device/adapters/home-lock.ts";
import { isDeviceError } from "../../../device/device-error.ts";

/** A process that takes the lock of a home, says `held` or `home-busy: WHY`, and keeps it until its standard input ends. */
const [home = ""] = process.argv.slice(2);
try {
  const unlock = await lockHome(home);
  process.stdout.write("held\n");
  for await (const _ of process.stdin);
  await unlock();
} catch (error) {
  process.stdout.write(isDeviceError(error) ? `${error.code}: ${error.why}\n` : `fault ${String(error)}\n`);
}
