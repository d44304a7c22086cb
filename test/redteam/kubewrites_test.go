// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package redteam_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func kubeWrites() []kubeRow {
	const reads, risks, labels = "analyze/kube Document.Reads", "analyze/kube Layout.Risks", "connector/kubernetes lookUp"
	denies := func(id, tries, by string, code int, says, verb, path, body string, set ...func(*http.Request)) kubeRow {
		r := refused(id, tries, by, code, says, verb, path, body, set...)
		r.denial = true
		return r
	}
	return []kubeRow{
		denies("K052", "copy a Secret's value into its annotations", reads, 422, "copies", "PATCH", kubeDB,
			`[{"op":"add","path":"/metadata/annotations","value":{}},{"op":"copy","from":"/data/password","path":"/metadata/annotations/x"}]`, media(jsonPatch)),
		denies("K053", "the same as a trial (dryRun=All)", reads, 422, "copies", "PATCH", kubeDB+"?dryRun=All",
			`[{"op":"add","path":"/metadata/annotations","value":{}},{"op":"copy","from":"/data/password","path":"/metadata/annotations/x"}]`, media(jsonPatch)),
		denies("K054", "move a pod's environment to where images stand", reads, 422, "copies", "PATCH", kubePods+"/env-1?dryRun=All",
			`[{"op":"copy","from":"/spec/containers/0/env/0/value","path":"/spec/containers/0/image"}]`, media(jsonPatch)),
		denies("K055", "guess a value by test of a JSON patch", reads, 422, "test", "PATCH", kubeDB, `[{"op":"test","path":"/data/password","value":"eA=="}]`, media(jsonPatch)),
		denies("K056", "write a mask over a value", "analyze/kube Masked", 422, "data.password", "PATCH", kubeDB, `{"data":{"password":"W1NFQ1JFVF0="}}`, media(mergePatch)),
		denies("K057", "write a mask within another value, in base64", "analyze/kube Masked", 422, "data.password", "PATCH", kubeDB, `{"data":{"password":"cHc9W1NFQ1JFVF0="}}`, media(mergePatch)),
		denies("K058", "write a mask by server-side apply", "analyze/kube Masked", 422, "data.one", "PATCH", kubeMaps+"/free?fieldManager=x", "apiVersion: v1\nkind: ConfigMap\ndata: {one: 'x [SSN]'}\n", media("application/apply-patch+yaml")),
		denied("K059", "change what policy protects by a label, together with the label", labels, "", "PATCH", kubeMaps+"/kept", `{"metadata":{"labels":null},"data":{"a":"b"}}`, media(mergePatch)),
		denied("K060", "take the label off by a JSON patch", labels, "", "PATCH", kubeMaps+"/kept", `[{"op":"remove","path":"/metadata/labels/protected"}]`, media(jsonPatch)),
		denied("K061", "give an object a label by a JSON patch, unseen", "analyze/kube Document.Labels", "", "PATCH", kubeMaps+"/free", `[{"op":"add","path":"/metadata/labels","value":{"protected":"true"}}]`, media(jsonPatch)),
		denied("K062", "give a pod a label through its status", labels, "", "PATCH", kubePods+"/web-1/status", `{"metadata":{"labels":{"protected":"true"}}}`, media(mergePatch)),
		refused("K063", "take labels from elsewhere in the object", "analyze/kube Document.Relabels", 400, "labels", "PATCH", kubeMaps+"/free", `[{"op":"copy","from":"/metadata/annotations","path":"/metadata/labels"}]`, media(jsonPatch)),
		denied("K064", "a pod that mounts a Secret", risks, "administer", "POST", kubePods, pod(`"volumes":[{"name":"a","secret":{"secretName":"db"}}]`)),
		denied("K065", "a pod with a Secret in its environment", risks, "administer", "POST", kubePods, container(`"envFrom":[{"secretRef":{"name":"db"}}]`)),
		denied("K066", "a pod with a ConfigMap in its environment that has a label", risks, "administer", "POST", kubePods, container(`"envFrom":[{"configMapRef":{"name":"ids"}}]`)),
		denied("K067", "a deployment that is given that ConfigMap by a JSON patch", risks, "administer", "PATCH", "/apis/apps/v1/namespaces/clinic/deployments/web",
			`[{"op":"add","path":"/spec/template/spec/volumes/0/configMap/name","value":"ids"}]`, media(jsonPatch)),
		denied("K068", "a pod with a path of its node", risks, "administer", "POST", kubePods, pod(`"volumes":[{"name":"a","hostPath":{"path":"/"}}]`)),
		denied("K069", "a privileged pod, in YAML", risks, "administer", "POST", kubePods, "spec: {containers: [{name: a, image: b, securityContext: {privileged: true}}]}", media("application/yaml")),
		denied("K070", "a pod of another service account", risks, "administer", "POST", kubePods, pod(`"serviceAccountName":"admin"`)),
		denied("K071", "a scheduled job with a Secret, deep down", risks, "administer", "POST", "/apis/batch/v1/namespaces/clinic/cronjobs",
			`{"spec":{"jobTemplate":{"spec":{"template":{"spec":{"initContainers":[{"env":[{"name":"A","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}}]}]}}}}}}`),
		{id: "K072", tries: "have the cluster's refusal of a change repeat what is there", by: "mask/kubemask", changes: true, try: func(a *kubeArena) error {
			return wants(a.ask("PATCH", kubePods+"/env-1", `{"spec":{"containers":[{"name":"main","env":[{"name":"PATIENT","value":"x"}]}]}}`, media("application/strategic-merge-patch+json")).Status, 422, a, "Forbidden")
		}},
		{id: "K073", tries: "have an answer to a trial show the stored Secret", by: "mask/kubemask", changes: true, try: func(a *kubeArena) error {
			return wants(a.ask("PATCH", kubeDB+"?dryRun=All", `{"metadata":{"annotations":{"a":"b"}}}`, media(mergePatch)).Status, 200, a, "W1NFQ1JFVF0=")
		}},
	}
}

// pod is a pod with more in its specification, and container one with more in its
// container.
func pod(more string) string {
	return `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b"}],` + more + `}}`
}

func container(more string) string {
	return `{"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"b",` + more + `}]}}`
}

func kubeSecrets() []kubeRow {
	const by = "analyze/kube core"
	return []kubeRow{
		denied("K074", "a token of a service account", by, "issue a token", "POST", "/api/v1/namespaces/clinic/serviceaccounts/default/token", `{"spec":{}}`),
		denied("K075", "a Secret that gets a service account's token", "analyze/kube Minting", "administer", "POST", "/api/v1/namespaces/clinic/secrets", `{"metadata":{"name":"t"},"type":"kubernetes.io/service-account-token"}`),
		denied("K076", "a Secret that is a bootstrap token", "analyze/kube Minting", "administer", "POST", "/api/v1/namespaces/clinic/secrets", `{"metadata":{"name":"t"},"type":"bootstrap.kubernetes.io/token"}`),
		denied("K077", "whose a token is, by a TokenReview", "analyze/kube creates", "administer", "POST", "/apis/authentication.k8s.io/v1/tokenreviews", `{"spec":{"token":"x"}}`),
	}
}

func kubePrivileges() []kubeRow {
	const by = "analyze/kube administers"
	row := func(id, tries, verb, path, body string, set ...func(*http.Request)) kubeRow {
		return denied(id, tries, by, "sallyport", verb, path, body, set...)
	}
	return []kubeRow{
		row("K078", "a binding of the cluster's administrators, in one's own namespace", "POST", kubeRights+"/namespaces/clinic/rolebindings", "{}"),
		row("K079", "a role of the whole cluster", "PATCH", kubeRights+"/clusterroles/admin", `{"rules":[]}`, media(mergePatch)),
		row("K080", "approve a certificate", "PUT", "/apis/certificates.k8s.io/v1/certificatesigningrequests/a/approval", "{}"),
		row("K081", "a webhook that is sent every Secret", "POST", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "{}"),
		row("K082", "an API service of one's own", "POST", "/apis/apiregistration.k8s.io/v1/apiservices", "{}"),
		row("K083", "a definition of a kind, with a converter", "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "{}"),
		row("K084", "bind a pod to a node", "POST", kubePods+"/web-1/binding", "{}"),
		row("K085", "delete all by deletecollection", "DELETE", kubePods, ""),
		row("K086", "be rid of a namespace by finalize", "PUT", "/api/v1/namespaces/clinic/finalize", "{}"),
		row("K087", "change a namespace by its name in the path", "PATCH", "/api/v1/namespaces/clinic", "{}", media(mergePatch)),
		row("K088", "evict a pod that may not be deleted", "POST", "/api/v1/namespaces/other/pods/far-1/eviction", "{}"),
		row("K089", "the proxy to a node", "GET", "/api/v1/nodes/node-1/proxy/run/clinic/web-1/main", ""),
		row("K090", "the proxy to a node's port, by name", "GET", "/api/v1/nodes/https:node-1:10250/proxy/pods", ""),
		row("K091", "the proxy to a pod", "POST", kubePods+"/web-1/proxy", "{}"),
		row("K092", "the proxy to a service", "GET", "/api/v1/namespaces/clinic/services/web/proxy/a", ""),
	}
}

func kubePrograms() []kubeRow {
	exec := func(id, tries, by, says string, argv ...string) kubeRow {
		return kubeRow{id: id, tries: tries, by: by, denial: true, try: func(a *kubeArena) error {
			got := a.run("", append([]string{"-n", "clinic", "exec", "web-1", "--"}, argv...)...)
			return wants(got.Code, 1, a, says)
		}}
	}
	const shell = "analyze/shell Commands"
	return []kubeRow{
		exec("K093", "a program that no template names", shell, "sallyport", "cat", "/srv/notes/n.txt"),
		exec("K094", "a second command behind a template's, for a shell", shell, "sallyport", "sh", "-c", "echo a; cat srv/notes/n.txt"),
		exec("K095", "a substitution in a template's line", shell, "sallyport", "sh", "-c", "echo $(cat srv/notes/n.txt)"),
		exec("K096", "a line feed in a template's line", shell, "sallyport", "sh", "-c", "echo a\ncat srv/notes/n.txt"),
		exec("K097", "a program's name through env", shell, "sallyport", "env", "cat", "srv/notes/n.txt"),
		exec("K098", "a template's name by another path", shell, "sallyport", "/tmp/echo", "a"),
		exec("K099", "a template's name with a line feed", shell, "sallyport", "echo\n", "a"),
		{id: "K100", tries: "exec in a pod that policy does not have", by: "policy", denial: true, try: func(a *kubeArena) error {
			return wants(a.run("", "-n", "other", "exec", "far-1", "--", "echo", "a").Code, 1, a, "sallyport")
		}},
		{id: "K101", tries: "exec by GET without streams", by: "connector/kubernetes streams.Read", try: func(a *kubeArena) error {
			return wants(a.ask("GET", kubePods+"/web-1/exec?command=echo&stdout=true", "").Status, 400, a, "streams")
		}},
		{id: "K102", tries: "a command in the body of exec", by: "connector/kubernetes streams.Read", try: func(a *kubeArena) error {
			return wants(a.ask("POST", kubePods+"/web-1/exec?stdout=true", `{"command":["id"]}`).Status, 400, a, "")
		}},
		{id: "K103", tries: "a canary printed in pieces, in colours, to both streams", by: "internal/terminal", changes: true, try: func(a *kubeArena) error {
			return wants(a.run("", "-n", "clinic", "exec", "web-1", "--", "cat", "srv/notes/c.txt").Code, 0, a, "SSN")
		}},
		{id: "K104", tries: "forward a port to a pod whose data may not be seen raw", by: "connector/kubernetes forward", denial: true, try: func(a *kubeArena) error {
			return wants(a.run("", "-n", "clinic", "port-forward", "web-1", ":80").Code, 1, a, "sallyport")
		}},
		{id: "K105", tries: "attach to a pod", by: "policy", denial: true, try: func(a *kubeArena) error {
			return wants(a.run("", "-n", "other", "attach", "far-1").Code, 1, a, "sallyport")
		}},
		denied("K106", "a container for debugging in a pod", "analyze/kube core", "execute", "PATCH", kubePods+"/env-1/ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"d","image":"b"}]}}`, media("application/strategic-merge-patch+json")),
		masked("K107", "a log whose canary is in two pieces and in colours", "internal/terminal", "last", "GET", kubePods+"/web-1/log", ""),
		{id: "K108", tries: "a log cut off within a canary", by: "connector/kubernetes uncut", try: func(a *kubeArena) error {
			for n := 14; n < 27; n++ {
				if got := a.ask("GET", fmt.Sprint(kubePods, "/web-1/log?limitBytes=", n), ""); got.Status != http.StatusOK || strings.Contains(got.Body, "219") {
					return fmt.Errorf("%d bytes: %d %q", n, got.Status, got.Body)
				}
			}
			return nil
		}},
		refused("K109", "a log of a node whose certificate is not verified", "connector/kubernetes readable", 400, "certificate", "GET", kubePods+"/web-1/log?insecureSkipTLSVerifyBackend=true", ""),
		{id: "K110", tries: "cp of a path upwards and of one that has no prefix", by: "analyze/files", try: func(a *kubeArena) error {
			for _, from := range []string{"/srv/notes/../../etc/passwd", "/etc/passwd", "/srv/notesx"} {
				if got := a.run("", "-n", "clinic", "cp", "web-1:"+from, filepath.Join(a.TempDir(), "x")); got.Code == 0 {
					return fmt.Errorf("%s: %s", from, got)
				}
			}
			return nil
		}},
		{id: "K111", tries: "cp of a link out of what is permitted", by: "connector/kubernetes archive", try: func(a *kubeArena) error {
			dir := a.cluster.Files("clinic", "web-1", map[string]string{"srv/secret/p": kubePassword, "srv/notes/tree/a": "b"})
			if err := os.Symlink("../../secret/p", filepath.Join(dir, "srv/notes/tree/link")); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			to := filepath.Join(a.TempDir(), "tree")
			a.run("", "-n", "clinic", "cp", "web-1:/srv/notes/tree", to)
			b, _ := os.ReadFile(filepath.Join(to, "link"))
			a.seen.Write(b)
			return nil
		}},
	}
}

func kubeAnswers() []kubeRow {
	const by = "connector/kubernetes answer.go"
	row := func(id, tries, by, path string, code int, says string) kubeRow {
		return kubeRow{id: id, tries: "the cluster answers with " + tries, by: by, try: func(a *kubeArena) error {
			got := a.bad.Ask(a.T, "GET", "/k8s/bad/api/v1/namespaces/clinic/pods/"+path, "")
			a.saw(got)
			if strings.Contains(fmt.Sprint(got), a.cluster.GatewayToken) {
				return errSeen
			}
			return wants(got.Status, code, a, says)
		}}
	}
	return []kubeRow{
		row("K112", "an unknown type", by, "unknown", 403, "cannot be masked"),
		row("K113", "a packed body", by, "packed", 503, "packed"),
		row("K114", "trailers", by, "trailers", 200, "[SSN]"),
		row("K115", "a redirect to another host", by, "elsewhere", 503, "elsewhere"),
		row("K116", "101 unasked", "httpgate/upstream answer", "switch", 503, "sallyport"),
		row("K117", "a value in escapes, and a member twice", "mask/kubemask", "names", 200, "[SSN]"),
		row("K118", "values in headers", by, "headers", 200, "Pod"),
		row("K119", "the gateway's own credential", "httpgate/upstream Guard", "credential", 403, "own credential"),
		row("K120", "values in an error", "mask/kubemask", "error", 422, "[SSN]"),
		{id: "K121", tries: "the cluster answers with a second document behind the first", by: "mask/kubemask writer", try: func(a *kubeArena) (err error) {
			req, err := http.NewRequestWithContext(a.Context(), http.MethodGet, "https://"+a.HTTPAddress()+"/k8s/bad/api/v1/namespaces/clinic/pods/twice", http.NoBody)
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+a.bad.Token)
			res, err := a.bad.HTTP.Do(req)
			if err != nil {
				return nil //nolint:nilerr // it is what is wanted: the connection breaks off
			}
			defer res.Body.Close() //nolint:errcheck // it was read
			b := make([]byte, 4096)
			for err == nil {
				var n int
				n, err = res.Body.Read(b)
				a.seen.Write(b[:n])
			}
			if res.StatusCode == http.StatusOK && err.Error() == "EOF" {
				return errors.New("the answer is taken for whole")
			}
			return nil
		}},
	}
}

// kubeLimits are open, and say so.
func kubeLimits() []kubeRow {
	return []kubeRow{
		{id: "K122", tries: "guess a masked label's value by a selector", by: "nothing: selectors are not governed by filterBy", limit: true, try: func(a *kubeArena) error {
			a.ask("GET", kubeMaps+"?labelSelector=ward%3Dseven-bed-two", "")
			if !strings.Contains(a.seen.String(), `"name":"free"`) {
				return errors.New("it is closed: docs/limits.md says that it is open")
			}
			return nil
		}},
		{id: "K123", tries: "guess a value by a trial that changes nothing", by: "nothing: a write that changes nothing is answered as such", limit: true, changes: true, try: func(a *kubeArena) error {
			version := func(guess string) string {
				var got struct{ Metadata struct{ ManagedFields []any } }
				answer := a.Ask(a.T, "PATCH", "/k8s/prod"+kubeDB+"?dryRun=All&fieldManager=guess", `{"data":{"password":"`+base64.StdEncoding.EncodeToString([]byte(guess))+`"}}`, media(mergePatch))
				if err := json.Unmarshal([]byte(answer.Body), &got); err != nil {
					return err.Error()
				}
				return fmt.Sprint(len(got.Metadata.ManagedFields))
			}
			if version(kubePassword) == version("something else") {
				return errors.New("it is closed: docs/limits.md says that it is open")
			}
			return nil
		}},
	}
}
