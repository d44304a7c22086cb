// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package kubernetes

import (
	"bytes"
	"encoding/json"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// protobufType is the form in which clients made with the types of Kubernetes send
// bodies.
const protobufType = "application/vnd.kubernetes.protobuf"

// envelope begins every body in that form.
const envelope = "k8s\x00"

// protobuf is an object that has that form.
type protobuf interface {
	Marshal() ([]byte, error)
	Unmarshal(b []byte) error
}

// kinds knows the types of Kubernetes' own groups.
func kinds() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		admissionv1.AddToScheme, appsv1.AddToScheme, authenticationv1.AddToScheme, authorizationv1.AddToScheme, autoscalingv1.AddToScheme,
		autoscalingv2.AddToScheme, batchv1.AddToScheme, certificatesv1.AddToScheme, coordinationv1.AddToScheme, corev1.AddToScheme,
		discoveryv1.AddToScheme, eventsv1.AddToScheme, flowcontrolv1.AddToScheme, networkingv1.AddToScheme, nodev1.AddToScheme, policyv1.AddToScheme,
		rbacv1.AddToScheme, schedulingv1.AddToScheme, storagev1.AddToScheme,
	} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// fromProtobuf is a body in JSON. Of a body that has something which these types have
// not, nothing is sent: it would be lost. ok is false for such.
func fromProtobuf(s *runtime.Scheme, b []byte) (out []byte, ok bool) {
	rest, ok := bytes.CutPrefix(b, []byte(envelope))
	var unknown runtime.Unknown
	if !ok || unknown.Unmarshal(rest) != nil || unknown.ContentEncoding != "" || unknown.ContentType != "" && unknown.ContentType != protobufType {
		return nil, false
	}
	gv, err := schema.ParseGroupVersion(unknown.APIVersion)
	if err != nil {
		return nil, false
	}
	object, err := s.New(gv.WithKind(unknown.Kind))
	if err != nil {
		return nil, false
	}
	m, ok := object.(protobuf)
	if !ok || m.Unmarshal(unknown.Raw) != nil {
		return nil, false
	}
	if again, err := m.Marshal(); err != nil || !bytes.Equal(again, unknown.Raw) {
		return nil, false
	}
	object.GetObjectKind().SetGroupVersionKind(gv.WithKind(unknown.Kind))
	out, err = json.Marshal(object)
	return out, err == nil
}
