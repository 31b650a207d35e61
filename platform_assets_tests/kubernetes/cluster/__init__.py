"""A test cluster in one process: the Kubernetes API from memory, controllers, and pods that are processes of this machine.

`with test_cluster(folder, images=...) as cluster:` (`handle.py`) starts one, and ends it with all that it ran. It is a stand-in for tests,
not a cluster. What it does not do:

- No containers. A pod's processes see this machine's file system and users; they have a session, an environment, a
  home and an address of their own. Paths of mounts and of images' files are replaced by folders of this machine
  wherever command, arguments, working folder, environment and the text of mounted ConfigMaps and Secrets name them
  (`pod_paths.py`); a path that a program makes up itself is not. `securityContext`, user and group, read-only file
  systems, seccomp and capabilities have no effect.
- No images: a name stands for an interpreter and folders (`images.py`). Nothing is pulled.
- No network of its own. Each pod has an address in 127.64.0.0/10 and has to bind to it (`$(POD_IP)`): a process that
  binds to all addresses meets its neighbours. NetworkPolicies have no effect. Names of Services resolve nowhere: a
  Service has an address in 127.128.0.0/10, where a forwarder stands for kube-proxy, and pods find it in the variables
  of service links or in their settings.
- The scheduler knows requests, node selectors, node affinity, taints, claims and priorities; no affinity between
  pods, no spread, no scores. CPU limits have no effect. A memory limit is held by looking at resident memory five
  times a second; pages that processes share count for each.
- A pod has no token where clients look for it, but `~/.kube/config` with one. There is no exec, attach, port-forward
  or ephemeral container.
- Controllers: Deployment, ReplicaSet, StatefulSet (no partitions), Job (not indexed), EndpointSlice, ResourceQuota,
  LimitRange, PriorityClass, PodDisruptionBudget, claims (bound at once). DaemonSets, CronJobs, Ingresses and all
  custom resources but the Gateway API's are stored and nothing comes of them. HorizontalPodAutoscalers are simulated:
  replicas are held within their bounds, no metric is read (`simulated_autoscaling.py`).
- gRPC probes ask for a connection only. Volumes that are not emptyDir, configMap, secret, projected, downwardAPI,
  hostPath, ephemeral or a claim cannot be mounted.
- The gateway is one real Envoy without TLS, one port of an address in 127.128.0.0/10 for each Gateway (`gateway.py`);
  of Envoy Gateway's own kinds only inline Lua of EnvoyExtensionPolicy and retries of BackendTrafficPolicy have an
  effect.
- One process, no etcd, no leader election, no persistence: what was stored is gone at the end.
"""
