// A Vulkan device for tests of WebGPU where there is no card: SwiftShader, which Debian's chromium brings.
import { existsSync } from "node:fs";
import { note, runQuietly } from "./workspace.mjs";

/** SwiftShader's manifest, for the Vulkan loader. */
const MANIFEST = "/usr/lib/chromium/vk_swiftshader_icd.json";
/** The loader, which chromium does not bring for others. */
const LOADERS = ["x86_64", "aarch64"].map((processor) => `/usr/lib/${processor}-linux-gnu/libvulkan.so.1`);

/**
 * Points this process, and what it starts, to a Vulkan driver: the one that VK_ICD_FILENAMES names already, or SwiftShader,
 * which is installed first as root on Debian.
 * @returns {Promise<string | undefined>} why there is none
 */
export async function useSoftwareDevice() {
  if (process.env.VK_ICD_FILENAMES) return undefined;
  if (!existsSync(MANIFEST) || !LOADERS.some(existsSync)) {
    const reason = await install();
    if (reason) return reason;
  }
  process.env.VK_ICD_FILENAMES = MANIFEST;
  return undefined;
}

async function install() {
  if (!existsSync("/etc/debian_version")) return "no software Vulkan device: this is not Debian";
  if (process.getuid?.() !== 0) return "no software Vulkan device: apt-get install chromium libvulkan1 needs root";
  note("Installing chromium for its software Vulkan device.");
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "chromium", "libvulkan1"]]) {
    const { code, output } = await runQuietly(["apt-get", args], { env });
    if (code !== 0) return `no software Vulkan device: apt-get ${args[0]} failed: ${output.trim().split("\n").at(-1)}`;
  }
  return existsSync(MANIFEST) ? undefined : `no software Vulkan device: chromium brought no ${MANIFEST}`;
}
