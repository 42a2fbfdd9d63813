/** A trainer's way to the tracking server: wiring that both workers share. */
import type { Place } from '../activities/lease.ts';
import type { Track } from '../activities/track/index.ts';
import type { MlflowSettings } from '../infra/config-receivers.ts';
import { trackingEnvironment } from '../infra/mlflow.ts';

/** What a trainer is given so that what it logs itself lands in its training's run. Nothing when nothing is tracked. */
export function environmentOf(track: Pick<Track, 'openTrackingRun'>, settings: MlflowSettings | undefined) {
  return async (lifecycleId: string, place: Place): Promise<Record<string, string>> => {
    const trial = place.startsWith('search/') ? Number(place.slice('search/'.length)) : undefined;
    // A reproduction is nobody's run.
    const ours = settings && lifecycleId.startsWith('lifecycle/');
    const opened = ours && (await track.openTrackingRun({ lifecycleId, trial }));
    return opened ? trackingEnvironment(settings, opened.runId) : {};
  };
}
