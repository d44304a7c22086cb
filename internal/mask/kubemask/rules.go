// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubemask

import (
	"maps"
	"strings"

	"github.com/sallyport-dev/sallyport/internal/mask/jsonmask"
)

// roots are the places where an object stands: it is the document, an item of a list,
// the object of a watch or of a row, an item of a list or a row's in a watch.
const roots = "$ $.items[*] $.object $.object.rows[*].object"

// places are roots, and where in an object an annotation repeats it.
func places() (out []string) {
	for _, root := range strings.Fields(roots) {
		out = append(out, root, root+".metadata.annotations"+lastApplied)
	}
	return out
}

// lastApplied is the annotation in which kubectl keeps an object as it was applied.
const lastApplied = "['kubectl.kubernetes.io/last-applied-configuration']"

// managed is where an object says who set which field.
const managed = ".metadata.managedFields"

// rules are those of a plan. Paths of the rules' file that operators wrote go before
// those of this package, but where there is data of its own: a path for a name at any
// depth would reach into it.
func (m *Masks) rules(p Plan) jsonmask.Rules {
	r := jsonmask.Rules{Paths: map[string]jsonmask.Rule{}}
	switch p.Base {
	case Raw:
		r.Default = jsonmask.Rule{Action: jsonmask.Keep}
	case Scan:
		r.Default = jsonmask.Rule{Action: jsonmask.Scan}
	default:
		r.Default = jsonmask.Rule{Action: jsonmask.Mask, Strings: p.Builtin}
	}
	if p.Base != Raw {
		m.keep(p, r.Paths)
	}
	if p.Builtin {
		r.Names = m.fields
	}
	if p.Base != Raw && p.Data == NoData {
		maps.Copy(r.Paths, m.set.JSONPaths())
	}
	if p.Data != NoData {
		m.data(p, r)
	}
	return r
}

// keep has what holds an API together stay.
func (m *Masks) keep(p Plan, paths map[string]jsonmask.Rule) {
	names := strings.Fields(commonKept)
	if p.Builtin {
		names = append(names, strings.Fields(builtinKept)...)
		for _, spec := range strings.Fields(podSpecs) {
			for _, name := range strings.Fields(podSpecKept) {
				names = append(names, spec+name)
			}
		}
	}
	for _, root := range places() {
		for _, name := range names {
			if p.Base == Whole && strings.HasPrefix(name, managed) {
				continue
			}
			paths[root+name] = jsonmask.Rule{Action: jsonmask.Keep}
		}
		if p.Base == Whole {
			// Its names of fields are made of the object's.
			paths[root+managed] = jsonmask.Rule{Action: jsonmask.Drop}
		}
	}
	for _, name := range strings.Fields(tableKept) {
		paths["$"+name] = jsonmask.Rule{Action: jsonmask.Keep}
		paths["$.object"+name] = jsonmask.Rule{Action: jsonmask.Keep}
	}
}

// data masks the fields that are data by themselves, wherever an object repeats them.
func (m *Masks) data(p Plan, r jsonmask.Rules) {
	level, binary, plain := p.DataLevel, m.base64, m.plain
	if p.Data == SecretData && level == Scan {
		level = Whole
	}
	rule := func(whole jsonmask.Rule) jsonmask.Rule {
		switch level {
		case Raw:
			return jsonmask.Rule{Action: jsonmask.Keep}
		case Scan:
			return jsonmask.Rule{Action: jsonmask.Scan}
		}
		return whole
	}
	encoded := rule(jsonmask.Rule{Action: jsonmask.Mask, Operator: binary})
	text := rule(jsonmask.Rule{Action: jsonmask.Mask, Operator: plain})
	for _, root := range strings.Fields(roots) {
		for _, at := range []string{root, root + ".metadata.annotations" + lastApplied} {
			if p.Data == SecretData {
				r.Paths[at+".data"], r.Paths[at+".stringData"] = encoded, text
				continue
			}
			r.Paths[at+".data"], r.Paths[at+".binaryData"] = text, encoded
		}
		if p.Base == Raw && level != Raw {
			// What it holds below data is masked as JSON; were it none, all of it would stay.
			r.Paths[root+".metadata.annotations"+lastApplied] = jsonmask.Rule{Action: jsonmask.Scan}
		}
	}
}

// What stays of every object: how the API finds, orders and ties objects together.
const commonKept = `.kind .apiVersion
	.metadata.name .metadata.generateName .metadata.namespace .metadata.uid .metadata.resourceVersion .metadata.generation
	.metadata.creationTimestamp .metadata.deletionTimestamp .metadata.deletionGracePeriodSeconds .metadata.selfLink .metadata.continue
	.metadata.remainingItemCount .metadata.ownerReferences .metadata.finalizers
	.metadata.managedFields[*].manager .metadata.managedFields[*].operation .metadata.managedFields[*].apiVersion
	.metadata.managedFields[*].time .metadata.managedFields[*].fieldsType .metadata.managedFields[*].subresource
	.status.conditions[*].type .status.conditions[*].status .status.conditions[*].lastTransitionTime .status.conditions[*].observedGeneration
	.status.observedGeneration`

// What stays of tables.
const tableKept = `.columnDefinitions .rows[*].conditions`

// podSpecs are the places of a pod's specification in Kubernetes' own types.
const podSpecs = `.spec .spec.template.spec .spec.jobTemplate.spec.template.spec .template.spec`

// What stays of a pod's specification.
const podSpecKept = `.nodeName .serviceAccountName .serviceAccount .restartPolicy .dnsPolicy .schedulerName .preemptionPolicy .priorityClassName
	.priority .tolerations .securityContext .volumes[*].name .enableServiceLinks .terminationGracePeriodSeconds
	.containers[*].name .containers[*].image .containers[*].imagePullPolicy .containers[*].resources .containers[*].ports
	.containers[*].volumeMounts .containers[*].securityContext .containers[*].terminationMessagePath .containers[*].terminationMessagePolicy
	.containers[*].env[*].name
	.initContainers[*].name .initContainers[*].image .initContainers[*].imagePullPolicy .initContainers[*].resources .initContainers[*].ports
	.initContainers[*].volumeMounts .initContainers[*].securityContext .initContainers[*].terminationMessagePath
	.initContainers[*].terminationMessagePolicy .initContainers[*].env[*].name
	.ephemeralContainers[*].name .ephemeralContainers[*].image .ephemeralContainers[*].targetContainerName`

// What stays of objects of Kubernetes' own types: states, addresses, counts.
const builtinKept = `.type .reason .code .immutable
	.details.name .details.group .details.kind .details.uid .details.retryAfterSeconds .details.causes[*].reason .details.causes[*].field
	.firstTimestamp .lastTimestamp .eventTime .reportingComponent .reportingInstance .action .involvedObject .regarding .related .source
	.spec.clusterIP .spec.clusterIPs .spec.ports .spec.ipFamilies .spec.ipFamilyPolicy .spec.type .spec.sessionAffinity .spec.internalTrafficPolicy
	.spec.externalTrafficPolicy .spec.strategy .spec.updateStrategy .spec.accessModes .spec.storageClassName .spec.volumeName .spec.volumeMode
	.spec.capacity .spec.resources .spec.podCIDR .spec.podCIDRs .spec.providerID .spec.taints .spec.finalizers .spec.schedule .spec.concurrencyPolicy
	.spec.scaleTargetRef .spec.podManagementPolicy .spec.holderIdentity .spec.renewTime .spec.acquireTime .spec.scope .spec.names .spec.group
	.spec.completionMode .spec.persistentVolumeReclaimPolicy .spec.claimRef .spec.csi.driver .spec.nodeName
	.rules .roleRef .subjects .provisioner .reclaimPolicy .volumeBindingMode .webhooks[*].name
	.status.phase .status.podIP .status.podIPs .status.hostIP .status.hostIPs .status.startTime .status.completionTime .status.qosClass
	.status.nominatedNodeName .status.conditions[*].reason .status.conditions[*].lastProbeTime .status.conditions[*].lastUpdateTime
	.status.conditions[*].lastHeartbeatTime .status.addresses .status.nodeInfo .status.capacity .status.allocatable .status.images .status.daemonEndpoints
	.status.lastScheduleTime .status.lastSuccessfulTime .status.active .status.accessModes .status.loadBalancer
	.status.containerStatuses[*].name .status.containerStatuses[*].image .status.containerStatuses[*].imageID .status.containerStatuses[*].containerID
	.status.containerStatuses[*].resources .status.containerStatuses[*].allocatedResources .status.containerStatuses[*].volumeMounts
	.status.containerStatuses[*].user
	.status.containerStatuses[*].state.running .status.containerStatuses[*].lastState.running
	.status.containerStatuses[*].state.waiting.reason .status.containerStatuses[*].lastState.waiting.reason
	.status.containerStatuses[*].state.terminated.reason .status.containerStatuses[*].state.terminated.startedAt
	.status.containerStatuses[*].state.terminated.finishedAt .status.containerStatuses[*].state.terminated.containerID
	.status.containerStatuses[*].lastState.terminated.reason .status.containerStatuses[*].lastState.terminated.startedAt
	.status.containerStatuses[*].lastState.terminated.finishedAt .status.containerStatuses[*].lastState.terminated.containerID
	.status.initContainerStatuses[*].name .status.initContainerStatuses[*].image .status.initContainerStatuses[*].imageID
	.status.initContainerStatuses[*].containerID .status.initContainerStatuses[*].state.terminated.startedAt
	.status.initContainerStatuses[*].state.terminated.finishedAt .status.initContainerStatuses[*].state.terminated.reason
	.status.initContainerStatuses[*].state.running .status.initContainerStatuses[*].lastState.running
	.status.initContainerStatuses[*].state.waiting.reason
	.status.ephemeralContainerStatuses[*].name .status.ephemeralContainerStatuses[*].image .status.ephemeralContainerStatuses[*].imageID
	.status.ephemeralContainerStatuses[*].containerID .status.ephemeralContainerStatuses[*].state.running
	.status.ephemeralContainerStatuses[*].lastState.running .status.ephemeralContainerStatuses[*].state.waiting.reason
	.status.ephemeralContainerStatuses[*].state.terminated.reason .status.ephemeralContainerStatuses[*].state.terminated.startedAt
	.status.ephemeralContainerStatuses[*].state.terminated.finishedAt .status.ephemeralContainerStatuses[*].state.terminated.containerID
	.subsets .endpoints[*].addresses .endpoints[*].targetRef .endpoints[*].nodeName .addressType .ports .value .preemptionPolicy .globalDefault`
