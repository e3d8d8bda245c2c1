// The parts of the Prometheus operator's resources that are used here; it has no package of types.
interface Meta {
  name: string;
  namespace?: string;
  labels?: Record<string, string>;
}
export interface IServiceMonitor {
  apiVersion: "monitoring.coreos.com/v1";
  kind: "ServiceMonitor";
  metadata: Meta;
  spec: {
    selector: { matchLabels: Record<string, string> };
    endpoints: { port: string; path?: string; interval?: string; scheme?: string }[];
  };
}
export interface IPrometheusRule {
  apiVersion: "monitoring.coreos.com/v1";
  kind: "PrometheusRule";
  metadata: Meta;
  spec: {
    groups: {
      name: string;
      interval?: string;
      rules: {
        alert: string;
        expr: string;
        for?: string;
        labels?: Record<string, string>;
        annotations?: Record<string, string>;
      }[];
    }[];
  };
}
