/**
 * Traces, when OpenTelemetry's own variables name a collector: one span a request, a child of the caller's. Nothing of it
 * is loaded otherwise. No payload goes into a span.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { Span, TextMapGetter } from '@opentelemetry/api';
import type { Logger } from '../infra/log.ts';
import { version as release } from '../infra/version.ts';
import type { Prediction } from './predict.ts';

export interface Tracing {
  /** @param header of the request, by its lower-case name */
  begin(name: string, header: (name: string) => string | undefined): Trace;
  close(): Promise<void>;
}

export interface Trace {
  answered(model: string, prediction: Prediction): void;
  refused(status: number, sentence: string): void;
}

const getter: TextMapGetter<(name: string) => string | undefined> = {
  get: (header, name) => header(name),
  keys: () => ['traceparent', 'tracestate'],
};

/** @param endpoint of a collector that takes OTLP over HTTP; undefined: no tracing */
export async function openTracing(endpoint: string | undefined, log: Logger): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined;
  const [{ TracerProvider, BatchSpanProcessor }, { OTLPTraceExporter }, resources, core] = await Promise.all([
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/core'),
  ]);
  const own = resources.resourceFromAttributes({
    'service.name': resources.defaultServiceName(),
    'service.version': release,
  });
  const provider = new TracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before what is ours.
    resource: own.merge(resources.detectResources({ detectors: [resources.envDetector] })),
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  });
  const tracer = provider.getTracer('esteira-serving', release);
  const propagator = new core.W3CTraceContextPropagator();
  log.info({ endpoint }, 'traces go to a collector');
  return {
    begin(name, header) {
      const context = propagator.extract(ROOT_CONTEXT, header, getter);
      return traceOf(tracer.startSpan(name, { kind: SpanKind.SERVER }, context));
    },
    close: () => provider.shutdown(),
  };
}

function traceOf(span: Span): Trace {
  return {
    answered(model, { version, route, epoch, rows, ran }) {
      span.setAttributes({
        ...{ 'esteira.model': model, 'esteira.version': version.version, 'esteira.route': route },
        ...{ 'esteira.epoch': epoch, 'esteira.rows': rows, 'esteira.batch_rows': ran.batchRows },
        ...{ 'esteira.queue_ms': ran.queueMs, 'esteira.compute_ms': ran.computeMs },
      });
      span.end();
    },
    refused(status, sentence) {
      span.setAttribute('http.response.status_code', status);
      // By the conventions for servers, what a caller did wrong is no error of ours.
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: sentence });
      span.end();
    },
  };
}
