/**
 * The prediction server on Kubernetes, as manifests: replicas that follow the store, scaled by what waits in their queues.
 * Nothing here knows of versions; a rollout moves the slots in the store, and every pod follows, so no manifest changes.
 */

export interface KubernetesOptions {
  name: string;
  namespace: string;
  image: string;
  /** `s3://…`: pods share no disk. */
  store: string;
  /** Empty: all models of the store. */
  models: readonly string[];
  replicas: { min: number; max: number };
  /** A secret with AWS_… for the store; a service account that may reach it needs none. */
  secret: string | undefined;
  /** A KServe InferenceService in place of Deployment, Service and autoscaler. */
  kserve: boolean;
}

type Manifest = Record<string, unknown>;

const ports = { http: 8080, grpc: 8081, metrics: 9090 };
/** The server answers for a quarter of a second after it is told to stop, ships its log, and ends. */
const graceSeconds = 60;
/** Rows that wait at a pod before another is started: some 50 ms of work of a small model. */
const rowsWaiting = 500;

/**
 * All that can be written to. In `home` the prediction log waits for the store; who loses it with the node loses seconds of
 * it. In `tmp` tsx keeps what it compiled, and does not start without.
 */
const volumes = [
  { name: 'home', emptyDir: { sizeLimit: '4Gi' } },
  { name: 'tmp', emptyDir: { sizeLimit: '256Mi' } },
];

export function manifestsOf(options: KubernetesOptions): Manifest[] {
  if (options.kserve) return [inferenceService(options)];
  return [deployment(options), service(options), disruptionBudget(options), autoscaler(options)];
}

function metadata({ name, namespace }: KubernetesOptions) {
  return {
    name,
    namespace,
    labels: { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'esteira' },
  };
}

const selector = ({ name }: KubernetesOptions) => ({ 'app.kubernetes.io/name': name });

function deployment(options: KubernetesOptions): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(options),
    spec: {
      // The autoscaler's from then on: written down here, each apply would undo what it did.
      selector: { matchLabels: selector(options) },
      // A new pod serves before an old one goes.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: {
          labels: metadata(options).labels,
          annotations: {
            'prometheus.io/scrape': 'true',
            'prometheus.io/port': String(ports.metrics),
            'prometheus.io/path': '/metrics',
          },
        },
        spec: {
          terminationGracePeriodSeconds: graceSeconds,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 10_001,
            fsGroup: 10_001,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels: selector(options) },
            },
          ],
          containers: [container(options)],
          volumes,
        },
      },
    },
  };
}

function container({ image, store, models, secret }: KubernetesOptions): Manifest {
  const probe = (path: string, periodSeconds: number, failureThreshold: number) => ({
    ...{ httpGet: { path, port: 'metrics' }, periodSeconds, failureThreshold, timeoutSeconds: 2 },
  });
  return {
    name: 'serving',
    image,
    args: models.flatMap((model) => ['--model', model]),
    ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })),
    env: [
      { name: 'ESTEIRA_STORE', value: store },
      { name: 'ESTEIRA_HOME', value: '/var/lib/esteira' },
      { name: 'ESTEIRA_CACHE', value: '/var/lib/esteira/cache' },
      { name: 'ESTEIRA_SERVING_HOST', value: '0.0.0.0' },
      { name: 'ESTEIRA_SERVING_PORT', value: String(ports.http) },
      { name: 'ESTEIRA_SERVING_GRPC_PORT', value: String(ports.grpc) },
      { name: 'ESTEIRA_SERVING_MANAGEMENT_PORT', value: String(ports.metrics) },
    ],
    ...(secret !== undefined && { envFrom: [{ secretRef: { name: secret } }] }),
    // A model of some hundred megabytes takes its time to be fetched and proved.
    startupProbe: probe('/v2/health/live', 2, 60),
    readinessProbe: probe('/v2/health/ready', 1, 1),
    livenessProbe: probe('/v2/health/live', 10, 6),
    // Endpoints are told of the end at the same time as the pod: for a few seconds they still send.
    lifecycle: { preStop: { exec: { command: ['sleep', '5'] } } },
    resources: { requests: { cpu: '1', memory: '512Mi' }, limits: { memory: '2Gi' } },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: [
      { name: 'home', mountPath: '/var/lib/esteira' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
}

/** Metrics have no place in it: they are for who scrapes pods. */
function service(options: KubernetesOptions): Manifest {
  const open = (['http', 'grpc'] as const).map((name) => ({ name, port: ports[name], targetPort: name }));
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(options),
    spec: { selector: selector(options), ports: open.map((port) => ({ ...port, protocol: 'TCP' })) },
  };
}

function disruptionBudget(options: KubernetesOptions): Manifest {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metadata(options),
    spec: { maxUnavailable: 1, selector: { matchLabels: selector(options) } },
  };
}

/** By rows that wait, which an adapter must bring from Prometheus; and by processor time, which needs none. */
function autoscaler(options: KubernetesOptions): Manifest {
  const { name, replicas } = options;
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metadata(options),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      minReplicas: replicas.min,
      maxReplicas: replicas.max,
      metrics: [
        {
          type: 'Pods',
          pods: {
            metric: { name: 'esteira_serving_rows_waiting' },
            target: { type: 'AverageValue', averageValue: String(rowsWaiting) },
          },
        },
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 300 } },
    },
  };
}

/** Our server as a predictor of its own: KServe routes to it, and does not touch versions. */
function inferenceService(options: KubernetesOptions): Manifest {
  const { replicas } = options;
  const { ports: _, lifecycle, ...own } = container(options) as Manifest & { lifecycle: unknown };
  return {
    apiVersion: 'serving.kserve.io/v1beta1',
    kind: 'InferenceService',
    metadata: { ...metadata(options), annotations: { 'serving.kserve.io/deploymentMode': 'RawDeployment' } },
    spec: {
      predictor: {
        minReplicas: replicas.min,
        maxReplicas: replicas.max,
        terminationGracePeriodSeconds: graceSeconds,
        containers: [
          {
            ...own,
            name: 'kserve-container',
            lifecycle,
            ports: [
              { name: 'http1', containerPort: ports.http, protocol: 'TCP' },
              { name: 'metrics', containerPort: ports.metrics, protocol: 'TCP' },
            ],
          },
        ],
        volumes,
      },
    },
  };
}
