// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"strings"

	sallyport "github.com/sallyport-dev/sallyport"
)

// level is what a method acts on.
type level uint8

const (
	onProject level = iota
	onBucket
	onObject
)

// method is one method of the JSON API, v1, by the id that Google's discovery
// document gives it, without its "storage." in front.
type method struct {
	id     string
	verb   string
	path   string // below the version; parameters in braces
	effect sallyport.Effect
	on     level
	// refused, when not empty, says why nobody may call it through a gateway.
	refused string
}

// Why some methods never pass.
const (
	ownKeys   = "keys of its own would let their holder go around the gateway"
	watching  = "what is told to other addresses does not pass the gateway"
	longLived = "what goes on after the answer cannot be recorded"
)

// methods are all that are known. What is not here is refused.
func methods() []method {
	const r, w, d, def, des, adm = sallyport.Read, sallyport.Write, sallyport.Delete, sallyport.Define, sallyport.Destroy, sallyport.Administer
	return []method{
		{"buckets.list", "GET", "b", r, onProject, ""},
		{"buckets.insert", "POST", "b", def, onProject, ""},
		{"buckets.get", "GET", "b/{bucket}", r, onBucket, ""},
		{"buckets.patch", "PATCH", "b/{bucket}", def, onBucket, ""},
		{"buckets.update", "PUT", "b/{bucket}", def, onBucket, ""},
		{"buckets.delete", "DELETE", "b/{bucket}", des, onBucket, ""},
		{"buckets.restore", "POST", "b/{bucket}/restore", adm, onBucket, ""},
		{"buckets.relocate", "POST", "b/{bucket}/relocate", adm, onBucket, ""},
		{"buckets.lockRetentionPolicy", "POST", "b/{bucket}/lockRetentionPolicy", adm, onBucket, ""},
		{"buckets.getStorageLayout", "GET", "b/{bucket}/storageLayout", r, onBucket, ""},
		{"buckets.getIamPolicy", "GET", "b/{bucket}/iam", r, onBucket, ""},
		{"buckets.setIamPolicy", "PUT", "b/{bucket}/iam", adm, onBucket, ""},
		{"buckets.testIamPermissions", "GET", "b/{bucket}/iam/testPermissions", r, onBucket, ""},
		{"bucketAccessControls.list", "GET", "b/{bucket}/acl", r, onBucket, ""},
		{"bucketAccessControls.insert", "POST", "b/{bucket}/acl", adm, onBucket, ""},
		{"bucketAccessControls.get", "GET", "b/{bucket}/acl/{entity}", r, onBucket, ""},
		{"bucketAccessControls.patch", "PATCH", "b/{bucket}/acl/{entity}", adm, onBucket, ""},
		{"bucketAccessControls.update", "PUT", "b/{bucket}/acl/{entity}", adm, onBucket, ""},
		{"bucketAccessControls.delete", "DELETE", "b/{bucket}/acl/{entity}", adm, onBucket, ""},
		{"defaultObjectAccessControls.list", "GET", "b/{bucket}/defaultObjectAcl", r, onBucket, ""},
		{"defaultObjectAccessControls.insert", "POST", "b/{bucket}/defaultObjectAcl", adm, onBucket, ""},
		{"defaultObjectAccessControls.get", "GET", "b/{bucket}/defaultObjectAcl/{entity}", r, onBucket, ""},
		{"defaultObjectAccessControls.patch", "PATCH", "b/{bucket}/defaultObjectAcl/{entity}", adm, onBucket, ""},
		{"defaultObjectAccessControls.update", "PUT", "b/{bucket}/defaultObjectAcl/{entity}", adm, onBucket, ""},
		{"defaultObjectAccessControls.delete", "DELETE", "b/{bucket}/defaultObjectAcl/{entity}", adm, onBucket, ""},
		{"notifications.list", "GET", "b/{bucket}/notificationConfigs", r, onBucket, ""},
		{"notifications.get", "GET", "b/{bucket}/notificationConfigs/{notification}", r, onBucket, ""},
		{"notifications.insert", "POST", "b/{bucket}/notificationConfigs", adm, onBucket, ""},
		{"notifications.delete", "DELETE", "b/{bucket}/notificationConfigs/{notification}", adm, onBucket, ""},
		{"folders.list", "GET", "b/{bucket}/folders", r, onBucket, ""},
		{"managedFolders.list", "GET", "b/{bucket}/managedFolders", r, onBucket, ""},
		{"objects.list", "GET", "b/{bucket}/o", r, onBucket, ""},
		{"objects.insert", "POST", "b/{bucket}/o", w, onObject, ""},
		{"objects.get", "GET", "b/{bucket}/o/{object}", r, onObject, ""},
		{"objects.patch", "PATCH", "b/{bucket}/o/{object}", w, onObject, ""},
		{"objects.update", "PUT", "b/{bucket}/o/{object}", w, onObject, ""},
		{"objects.delete", "DELETE", "b/{bucket}/o/{object}", d, onObject, ""},
		{"objects.restore", "POST", "b/{bucket}/o/{object}/restore", adm, onObject, ""},
		{"objects.compose", "POST", "b/{bucket}/o/{object}/compose", w, onObject, ""},
		{"objects.copy", "POST", "b/{bucket}/o/{object}/copyTo/b/{toBucket}/o/{toObject}", w, onObject, ""},
		{"objects.rewrite", "POST", "b/{bucket}/o/{object}/rewriteTo/b/{toBucket}/o/{toObject}", w, onObject, ""},
		{"objects.move", "POST", "b/{bucket}/o/{object}/moveTo/o/{toObject}", w, onObject, ""},
		{"objectAccessControls.list", "GET", "b/{bucket}/o/{object}/acl", r, onObject, ""},
		{"objectAccessControls.insert", "POST", "b/{bucket}/o/{object}/acl", adm, onObject, ""},
		{"objectAccessControls.get", "GET", "b/{bucket}/o/{object}/acl/{entity}", r, onObject, ""},
		{"objectAccessControls.patch", "PATCH", "b/{bucket}/o/{object}/acl/{entity}", adm, onObject, ""},
		{"objectAccessControls.update", "PUT", "b/{bucket}/o/{object}/acl/{entity}", adm, onObject, ""},
		{"objectAccessControls.delete", "DELETE", "b/{bucket}/o/{object}/acl/{entity}", adm, onObject, ""},
		{"projects.serviceAccount.get", "GET", "projects/{project}/serviceAccount", r, onProject, ""},
		{"projects.hmacKeys.create", "POST", "projects/{project}/hmacKeys", adm, onProject, ownKeys},
		{"projects.hmacKeys.list", "GET", "projects/{project}/hmacKeys", r, onProject, ownKeys},
		{"objects.watchAll", "POST", "b/{bucket}/o/watch", adm, onBucket, watching},
		{"channels.stop", "POST", "channels/stop", adm, onProject, watching},
		{"objects.bulkRestore", "POST", "b/{bucket}/o/bulkRestore", adm, onBucket, longLived},
	}
}

// match finds the method of a request to the JSON API, and its parameters,
// unescaped.
func match(verb string, segments []string) (method, map[string]string, bool) {
	for _, m := range methods() {
		if m.verb != verb {
			continue
		}
		if params, ok := fits(m.path, segments); ok {
			return m, params, true
		}
	}
	return method{}, nil, false
}

func fits(template string, segments []string) (map[string]string, bool) {
	parts := strings.Split(template, "/")
	if len(parts) != len(segments) {
		return nil, false
	}
	params := map[string]string{}
	for i, p := range parts {
		if name, ok := strings.CutPrefix(p, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = segments[i]
		} else if p != segments[i] {
			return nil, false
		}
	}
	return params, true
}
