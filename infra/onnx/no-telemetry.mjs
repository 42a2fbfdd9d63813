/**
 * Imported before the runtime: from 1.29 on it keeps an id of the machine in the user's cache, and tells its maker of
 * sessions and models, unless this is set by the time it loads. Nothing here tells anybody anything.
 *
 * @see https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md
 */
process.env.ORT_DISABLE_TELEMETRY = '1';
