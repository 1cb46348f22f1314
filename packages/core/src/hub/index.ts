// Adapters on Hugging Face's hub.

export { type DownloadAdapterOptions, downloadAdapter } from "./downloadAdapter.js";
export type { HubOptions } from "./loadHub.js";
export { type PushToHubOptions, pushToHub } from "./pushToHub.js";
