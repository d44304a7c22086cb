// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// kubeEchoes have the API server repeat what is stored: it quotes the whole object where it
// cannot read what a change makes of it.
func kubeEchoes() []kubeRow {
	const by = "connector/kubernetes repeats, mask/kubemask Withheld"
	row := func(id, tries, path string, changes ...[2]string) kubeRow {
		return kubeRow{id: id, tries: tries, by: by, changes: true, try: func(a *kubeArena) error {
			for _, change := range changes {
				for _, as := range []string{"/k8s/prod", "/r/prod/root"} {
					c := a.Caller
					if as != "/k8s/prod" {
						c, as = a.root, "/k8s/prod"
					}
					got := c.Ask(a.T, "PATCH", as+path+"?dryRun=All&fieldManager=x", change[1], media(change[0]))
					if a.saw(got); got.Status < 400 {
						return fmt.Errorf("%v: %d", change, got.Status)
					}
				}
			}
			return nil
		}}
	}
	const strategic = "application/strategic-merge-patch+json"
	return []kubeRow{
		row("K124", "have an error repeat a Secret, which a change makes another kind", kubeDB, [2]string{mergePatch, `{"kind":"Foo"}`}, [2]string{mergePatch, `{"apiVersion":"v9"}`},
			[2]string{jsonPatch, `[{"op":"replace","path":"/kind","value":"Foo"}]`}),
		row("K125", "the same, by a field of another type", kubeDB, [2]string{mergePatch, `{"immutable":"x"}`}, [2]string{mergePatch, `{"metadata":"x"}`}, [2]string{mergePatch, `{"type":{}}`},
			[2]string{mergePatch, `{"data":{"more":5}}`}, [2]string{strategic, `{"metadata":{"labels":{"a":5}}}`}, [2]string{strategic, `{"data":{"$patch":"x"}}`}),
		row("K126", "have an error repeat a ConfigMap with a label", kubeMaps+"/ids", [2]string{mergePatch, `{"kind":"Foo"}`}, [2]string{mergePatch, `{"immutable":"x"}`},
			[2]string{jsonPatch, `[{"op":"replace","path":"/apiVersion","value":"v9"}]`}, [2]string{mergePatch, `{"data":{"more":5}}`}),
		row("K127", "have an error repeat what only its place tells of another object", kubeMaps+"/free", [2]string{mergePatch, `{"kind":"Foo"}`}, [2]string{mergePatch, `{"immutable":"x"}`}),
	}
}

// kubeCredentials want what lets its holder go past the gateway.
func kubeCredentials() []kubeRow {
	by := "analyze/kube core"
	token := func(id, tries, verb, path, body string) kubeRow {
		return kubeRow{id: id, tries: tries, by: by, denial: true, try: func(a *kubeArena) error {
			got := a.root.Ask(a.T, verb, "/k8s/prod"+path, body)
			a.saw(got)
			return wants(got.Status, 403, a, "issue a token")
		}}
	}
	const accounts = "/api/v1/namespaces/clinic/serviceaccounts/default/token"
	return []kubeRow{
		token("K128", "a token of a service account, as who may administer", "POST", accounts, `{"spec":{}}`),
		token("K129", "the same as a trial, and by GET", "POST", accounts+"?dryRun=All", `{"spec":{}}`),
		{id: "K130", tries: "a certificate that the cluster has issued", by: "analyze/kube Layout.Fields, mask/kubemask", try: func(a *kubeArena) error {
			cert, err := a.certificate()
			if err != nil {
				return err
			}
			for _, path := range []string{"", "/mine", "/mine/status", "/mine/approval", "?watch=true&resourceVersion=0&timeoutSeconds=1"} {
				got := a.root.Ask(a.T, "GET", "/k8s/prod/apis/certificates.k8s.io/v1/certificatesigningrequests"+path, "")
				if strings.Contains(got.Body, cert[:40]) {
					return errSeen
				}
				if got.Status != http.StatusOK || !strings.Contains(got.Body, "W1NFQ1JFVF0=") {
					return fmt.Errorf("%s: %d %.300s", path, got.Status, got.Body)
				}
			}
			return nil
		}},
		denied("K131", "a certificate for a pod, by a request of one's own", "analyze/kube administers", "administer", "POST", "/apis/certificates.k8s.io/v1beta1/namespaces/clinic/podcertificaterequests", "{}"),
		denied("K132", "requests for pods' certificates of all namespaces", "analyze/kube ClusterScoped", "", "GET", "/apis/certificates.k8s.io/v1beta1/podcertificaterequests", ""),
		denied("K133", "a request for a certificate", "analyze/kube administers", "administer", "POST", "/apis/certificates.k8s.io/v1/certificatesigningrequests", "{}"),
	}
}

// certificate has the cluster hold a certificate that it has issued, and returns it as the
// API has it.
func (a *kubeArena) certificate() (string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "synthetic"}}, private)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return "", err
	}
	armour := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	const path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	a.cluster.Create(path, map[string]any{"metadata": map[string]any{"name": "mine"}, "spec": map[string]any{
		"request": armour("CERTIFICATE REQUEST", request), "signerName": "clinic.example/synthetic", "usages": []string{"client auth"},
	}})
	status, body, err := a.cluster.Do(http.MethodPatch, path+"/mine/approval", map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "Approved", "status": "True", "reason": "Test"},
	}}})
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("%d %s %w", status, body, errors.Join(err, errors.New("not approved")))
	}
	cert := base64.StdEncoding.EncodeToString(armour("CERTIFICATE", der))
	status, body, err = a.cluster.Do(http.MethodPatch, path+"/mine/status", map[string]any{"status": map[string]any{"certificate": cert}})
	if err != nil || status != http.StatusOK {
		return "", fmt.Errorf("%d %s %w", status, body, errors.Join(err, errors.New("not issued")))
	}
	return cert, nil
}

// kubeTexts are texts where the API expects words: whoever may write an object, or runs in
// a pod, can put them there.
func kubeTexts() []kubeRow {
	const by = "mask/kubemask forms"
	const text = "SSN " + kubeCanary
	row := func(id, tries, kind string, object map[string]any) kubeRow {
		return kubeRow{id: id, tries: tries, by: by, try: func(a *kubeArena) error {
			metadata, _ := object["metadata"].(map[string]any)
			if metadata == nil {
				metadata = map[string]any{}
			}
			metadata["name"] = strings.ToLower(id)
			object["metadata"] = metadata
			at := "/api/v1/namespaces/clinic/" + kind
			if kind == "leases" {
				at = "/apis/coordination.k8s.io/v1/namespaces/clinic/leases"
			}
			a.cluster.Create(at, object)
			for _, path := range []string{at + "/" + strings.ToLower(id), at, at + "?watch=true&timeoutSeconds=1&resourceVersion=0"} {
				if got := a.ask("GET", path, ""); got.Status != http.StatusOK {
					return fmt.Errorf("%s: %d", path, got.Status)
				}
				a.ask("GET", path, "", head("Accept", "application/json;as=Table;g=meta.k8s.io;v=v1"))
				a.ask("GET", path, "", head("Accept", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"))
			}
			return nil
		}}
	}
	spec := func(more map[string]any) map[string]any {
		c := map[string]any{"name": "main", "image": "b", "env": []any{map[string]any{"name": text, "value": "a"}}, "terminationMessagePath": "/" + text}
		s := map[string]any{"containers": []any{c}}
		for k, v := range more {
			s[k] = v
		}
		return map[string]any{"spec": s}
	}
	event := map[string]any{
		"reason": text, "message": text, "type": "Normal", "action": text, "reportingComponent": "x", "reportingInstance": text, "source": map[string]any{"component": text, "host": text},
		"involvedObject": map[string]any{"kind": text, "namespace": "clinic", "name": text, "fieldPath": text},
	}
	return []kubeRow{
		row("K134", "a value as an event's reason, action, source and object", "events", event),
		row("K135", "a value as a pod's variable, path and toleration", "pods", spec(map[string]any{"securityContext": map[string]any{"seLinuxOptions": map[string]any{"user": text}}})),
		row("K136", "a value as the name of an owner", "configmaps", map[string]any{"metadata": map[string]any{"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": text, "name": text, "uid": text}}}}),
		row("K137", "a value in what an annotation says was applied", "pods", func() map[string]any {
			o := spec(nil)
			o["metadata"] = map[string]any{"annotations": map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"kind":"` + text + `","metadata":{"name":"` + text + `"},"spec":{"nodeName":"` + text + `"},"status":{"podIP":"` + text + `"}}`}}
			return o
		}()),
		row("K138", "a value as a lease's holder", "leases", map[string]any{"spec": map[string]any{"holderIdentity": text}}),
		{id: "K139", tries: "a value as the name of who manages fields", by: by, changes: true, try: func(a *kubeArena) error {
			a.ask("PATCH", kubeMaps+"/free?fieldManager="+strings.ReplaceAll(text, " ", "%20"), `{"data":{"more":"a"}}`, media(mergePatch))
			a.seen.Reset() // the answer to a write may repeat what was sent
			return wants(a.ask("GET", kubeMaps+"/free", "").Status, 200, a, "managedFields")
		}},
	}
}

// kubeVolumes are pods that would get what nobody may see.
func kubeVolumes() []kubeRow {
	const by = "analyze/kube Layout.Risks"
	const claims, templates = "/api/v1/namespaces/clinic/persistentvolumeclaims", `"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}},`
	row := func(id, tries, path, body string, set ...func(*http.Request)) kubeRow {
		verb := "POST"
		if len(set) > 0 {
			verb = "PATCH"
		}
		return denied(id, tries, by, "administer", verb, path, body, set...)
	}
	return []kubeRow{
		row("K140", "a pod that mounts a claim with a label", kubePods, pod(`"volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"charts"}}]`)),
		row("K141", "a deployment that is given that claim by a JSON patch", "/apis/apps/v1/namespaces/clinic/deployments/web",
			`[{"op":"replace","path":"/spec/template/spec/volumes/0/persistentVolumeClaim/claimName","value":"charts"}]`, media(jsonPatch)),
		row("K142", "a scheduled job with that claim", "/apis/batch/v1/namespaces/clinic/cronjobs", `{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"charts"}}]}}}}}}`),
		row("K143", "a copy of that claim", claims, `{"metadata":{"name":"p"},"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}`),
		row("K144", "a copy of that claim for one pod alone", kubePods, pod(`"volumes":[{"name":"a","ephemeral":{`+templates+`"dataSourceRef":{"kind":"PersistentVolumeClaim","name":"charts"}}}}}]`)),
		row("K145", "a set of pods whose claims are copies of it", "/apis/apps/v1/namespaces/clinic/statefulsets", `{"spec":{"volumeClaimTemplates":[{"spec":{"dataSource":{"kind":"PersistentVolumeClaim","name":"charts"}}}]}}`),
		row("K146", "a claim of the volume itself", claims, `{"metadata":{"name":"p"},"spec":{"volumeName":"disk"}}`),
		row("K147", "a pod with files of another machine", kubePods, pod(`"volumes":[{"name":"a","nfs":{"server":"10.0.0.1","path":"/"}}]`)),
		row("K148", "a pod with what a driver brings", kubePods, pod(`"volumes":[{"name":"a","csi":{"driver":"secrets-store.csi.k8s.io"}}]`)),
		row("K149", "a pod with a token of its service account, for elsewhere", kubePods, pod(`"volumes":[{"name":"a","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]`)),
		row("K150", "a pod with a ConfigMap that has a label, among projections", kubePods, pod(`"volumes":[{"name":"a","projected":{"sources":[{"configMap":{"name":"ids"}}]}}]`)),
	}
}
