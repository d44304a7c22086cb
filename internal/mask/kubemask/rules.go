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
		m.keep(p, r)
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
func (m *Masks) keep(p Plan, r jsonmask.Rules) {
	names := strings.Fields(commonKept)
	if p.Builtin {
		names = append(names, builtinNames()...)
	}
	for _, root := range places() {
		validated := !strings.HasSuffix(root, lastApplied) // what an annotation repeats nobody has looked at
		for _, name := range names {
			name, form, _ := strings.Cut(name, "=")
			if p.Base == Whole && strings.HasPrefix(name, managed) {
				continue
			}
			if form == "" && !validated {
				form = "name"
			}
			rule := jsonmask.Rule{Action: jsonmask.Keep}
			if form != "" {
				rule.Form, rule.Other = forms(form), &r.Default
			}
			r.Paths[root+name] = rule
		}
		if p.Base == Whole {
			// Its names of fields are made of the object's.
			r.Paths[root+managed] = jsonmask.Rule{Action: jsonmask.Drop}
		}
	}
	for _, name := range strings.Fields(tableKept) {
		r.Paths["$"+name] = jsonmask.Rule{Action: jsonmask.Keep}
		r.Paths["$.object"+name] = jsonmask.Rule{Action: jsonmask.Keep}
	}
	if p.Base == Scan {
		for _, at := range strings.Fields(errorWords) {
			r.Paths[at] = jsonmask.Rule{Action: jsonmask.Scan, Form: unquoting, Other: &jsonmask.Rule{Action: jsonmask.Mask, Operator: m.words}}
		}
	}
}

// builtinNames are the fields of Kubernetes' own types that stay.
func builtinNames() []string {
	names := strings.Fields(builtinKept)
	for _, spec := range strings.Fields(podSpecs) {
		for _, name := range strings.Fields(podSpecKept) {
			names = append(names, spec+name)
		}
		for _, list := range strings.Fields(".containers[*] .initContainers[*] .ephemeralContainers[*]") {
			for _, name := range strings.Fields(containerKept) {
				names = append(names, spec+list+name)
			}
		}
	}
	for _, list := range strings.Fields(".status.containerStatuses[*] .status.initContainerStatuses[*] .status.ephemeralContainerStatuses[*]") {
		for _, name := range strings.Fields(containerStatusKept) {
			names = append(names, list+name)
		}
	}
	return names
}

// data masks the fields that are data by themselves, wherever an object repeats them.
func (m *Masks) data(p Plan, r jsonmask.Rules) {
	level, binary, plain := p.DataLevel, m.base64, m.plain
	if p.Data != ConfigMapData && level == Scan {
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
			switch p.Data {
			case SecretData:
				r.Paths[at+".data"], r.Paths[at+".stringData"] = encoded, text
			case CredentialData:
				r.Paths[at+".status.certificate"] = encoded
				r.Paths[at+".status.certificateChain"], r.Paths[at+".status.token"], r.Paths[at+".spec.token"] = text, text, text
			default:
				r.Paths[at+".data"], r.Paths[at+".binaryData"] = text, encoded
			}
		}
		if p.Base != Whole && level != Raw {
			// What it holds below data is masked as JSON; were it none, all of it would stay.
			r.Paths[root+".metadata.annotations"+lastApplied] = jsonmask.Rule{Action: jsonmask.Scan}
			// Other annotations may repeat the object as well, in places that nobody knows.
			shown := jsonmask.Rule{Action: jsonmask.Scan, Form: prose, Other: &text}
			if p.Base == Raw {
				shown.Action = jsonmask.Keep
			}
			r.Paths[root+".metadata.annotations.*"] = shown
		}
	}
	if p.Withheld && level != Raw {
		for _, at := range strings.Fields(errorWords) {
			r.Paths[at] = jsonmask.Rule{Action: jsonmask.Mask, Operator: m.words}
		}
	}
}

// errorWords are where an error says what is wrong.
const errorWords = "$.message $.details.causes[*].message"

// What stays of every object: how the API finds, orders and ties objects together. A name
// behind "=" is the form that a text must have to stay; without one the API server sees to
// what may stand there.
const commonKept = `.kind .apiVersion
	.metadata.name .metadata.generateName .metadata.namespace .metadata.uid .metadata.resourceVersion .metadata.generation
	.metadata.creationTimestamp .metadata.deletionTimestamp .metadata.deletionGracePeriodSeconds .metadata.selfLink=name .metadata.continue
	.metadata.remainingItemCount .metadata.ownerReferences=name .metadata.finalizers
	.metadata.managedFields[*].manager=word .metadata.managedFields[*].operation .metadata.managedFields[*].apiVersion
	.metadata.managedFields[*].time .metadata.managedFields[*].fieldsType .metadata.managedFields[*].subresource
	.status.conditions[*].type=word .status.conditions[*].status=word .status.conditions[*].lastTransitionTime=time
	.status.conditions[*].observedGeneration=none .status.observedGeneration=none`

// What stays of tables.
const tableKept = `.columnDefinitions .rows[*].conditions`

// podSpecs are the places of a pod's specification in Kubernetes' own types.
const podSpecs = `.spec .spec.template.spec .spec.jobTemplate.spec.template.spec .template.spec`

// What stays of a pod's specification.
const podSpecKept = `.nodeName=name .serviceAccountName=name .serviceAccount=name .restartPolicy .dnsPolicy .schedulerName=name .preemptionPolicy
	.priorityClassName=name .priority .tolerations=name .securityContext=word .volumes[*].name .enableServiceLinks .terminationGracePeriodSeconds`

// What stays of a container in it.
const containerKept = `.name .image=name .imagePullPolicy .resources=name .ports .volumeMounts=name .securityContext=word .terminationMessagePath=name
	.terminationMessagePolicy .env[*].name=word .targetContainerName=name`

// What stays of a container's state.
const containerStatusKept = `.name=name .image=name .imageID=name .containerID=name .resources=name .allocatedResources=name .volumeMounts=name .user
	.state.running=time .lastState.running=time .state.waiting.reason=word .lastState.waiting.reason=word
	.state.terminated.reason=word .state.terminated.startedAt=time .state.terminated.finishedAt=time .state.terminated.containerID=name
	.lastState.terminated.reason=word .lastState.terminated.startedAt=time .lastState.terminated.finishedAt=time .lastState.terminated.containerID=name`

// What stays of objects of Kubernetes' own types: states, addresses, counts.
const builtinKept = `.type=word .reason=word .code .immutable
	.details.name=name .details.group=name .details.kind=name .details.uid=name .details.retryAfterSeconds .details.causes[*].reason=word .details.causes[*].field=word
	.firstTimestamp .lastTimestamp .eventTime .reportingComponent=word .reportingInstance=word .action=word .involvedObject=name .regarding=name .related=name
	.source=word
	.spec.clusterIP .spec.clusterIPs .spec.ports .spec.ipFamilies .spec.ipFamilyPolicy .spec.type=word .spec.sessionAffinity .spec.internalTrafficPolicy
	.spec.externalTrafficPolicy .spec.strategy .spec.updateStrategy .spec.accessModes .spec.storageClassName=name .spec.volumeName=name .spec.volumeMode
	.spec.capacity=name .spec.resources=name .spec.podCIDR .spec.podCIDRs .spec.providerID=name .spec.taints=name .spec.finalizers .spec.schedule .spec.concurrencyPolicy
	.spec.scaleTargetRef=name .spec.podManagementPolicy .spec.holderIdentity=name .spec.renewTime .spec.acquireTime .spec.scope=word .spec.names=name .spec.group=name
	.spec.completionMode .spec.persistentVolumeReclaimPolicy .spec.claimRef=name .spec.csi.driver=name .spec.nodeName=name
	.rules=name .roleRef=name .subjects=name .provisioner=name .reclaimPolicy .volumeBindingMode .webhooks[*].name
	.status.phase=word .status.podIP .status.podIPs .status.hostIP .status.hostIPs .status.startTime .status.completionTime .status.qosClass
	.status.nominatedNodeName=name .status.conditions[*].reason=word .status.conditions[*].lastProbeTime .status.conditions[*].lastUpdateTime
	.status.conditions[*].lastHeartbeatTime .status.addresses .status.nodeInfo .status.capacity=name .status.allocatable=name .status.images .status.daemonEndpoints
	.status.lastScheduleTime .status.lastSuccessfulTime .status.active=name .status.accessModes .status.loadBalancer=name
	.subsets=name .endpoints[*].addresses=name .endpoints[*].targetRef=name .endpoints[*].nodeName=name .addressType .ports=name .value=name .preemptionPolicy .globalDefault`
