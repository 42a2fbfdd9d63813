/** Why a model of other tools is not taken. Its message says what would be right, in words for whoever exported it. */
export class AdoptFault extends Error {
  override name = 'AdoptFault';
}
