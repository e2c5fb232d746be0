import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** File systems of a few kilobytes or of another kind, where this machine lets the tests mount them; null where it does not. */

export const runsAsRoot = process.getuid?.() === 0;

export type Mounted = { readonly path: string; unmount(): void };

/** FAT has neither sockets nor links nor owners. The kernel's, or exFAT in user space. */
export function withoutSockets(): Mounted | null {
  return (
    onLoopDevice("mkfs.vfat", "mount", "-t", "vfat", "-o", "umask=077") ??
    onLoopDevice("mkfs.exfat", "mount.exfat-fuse", "-o", "umask=077")
  );
}

/** @param bytes how much fits */
export function smallFileSystem(bytes: number): Mounted | null {
  return inFolder((path) => {
    run("mount", "-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", path);
    return () => {};
  });
}

/** The folder once more, where nothing can be written. */
export function readOnlyView(source: string): Mounted | null {
  return inFolder((path) => {
    run("mount", "--bind", source, path);
    run("mount", "-o", "remount,bind,ro", path);
    return () => {};
  });
}

function onLoopDevice(format: string, mount: string, ...options: string[]): Mounted | null {
  return inFolder((path, folder) => {
    const image = join(folder, "image");
    writeFileSync(image, "");
    truncateSync(image, 8 << 20);
    run(format, image);
    const device = run("losetup", "--find", "--show", image);
    const detach = () => run("losetup", "--detach", device);
    try {
      run(mount, ...options, device, path);
    } catch (error) {
      detach();
      throw error;
    }
    return detach;
  });
}

function inFolder(mount: (path: string, folder: string) => () => void): Mounted | null {
  if (!runsAsRoot) return null;
  const folder = mkdtempSync(join(tmpdir(), "sealpost-mount-"));
  const path = join(folder, "mounted");
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    mkdirSync(path);
    const after = mount(path, folder);
    return {
      path,
      unmount() {
        run("umount", path);
        after();
        remove();
      },
    };
  } catch {
    remove();
    return null;
  }
}

function run(command: string, ...words: string[]): string {
  return execFileSync(command, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}
