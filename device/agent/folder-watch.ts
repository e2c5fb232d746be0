import { type FSWatcher, watch } from "node:fs";
import { mkdir } from "node:fs/promises";

const [leastSeconds, mostSeconds] = [1, 30];

/**
 * Says when something in a folder may have changed. Where the system does not tell, as on some network file systems or when it is out of
 * watches, that is said every so often instead.
 */
export async function watchFolder(
  folder: string,
  everySeconds: number,
  changed: () => void,
): Promise<{ close(): void }> {
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  const fallBack = () => {
    watcher?.close();
    timer ??= setInterval(changed, Math.min(Math.max(everySeconds, leastSeconds), mostSeconds) * 1_000);
  };
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    watcher = watch(folder, changed).on("error", fallBack);
  } catch {
    fallBack();
  }
  return {
    close() {
      watcher?.close();
      clearInterval(timer);
    },
  };
}
