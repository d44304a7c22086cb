// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	sallyport "github.com/sallyport-dev/sallyport"
)

// MaxBody bounds the JSON of a request, in bytes.
const MaxBody = 1 << 20

// maxDepth bounds how deep a request's JSON is nested.
const maxDepth = 20

// body is what is read of a request's JSON.
type body struct {
	name    string
	bucket  string // of an object
	sources []string
	effects []sallyport.Effect // beyond the method's own
}

// Members of a bucket: what they change beside its description.
func bucketMember(name string) (sallyport.Effect, bool) {
	switch name {
	case "kind", "id", "selfLink", "name", "location", "locationType", "storageClass", "labels", "rpo", "projectNumber", "timeCreated", "updated", "etag", "metageneration",
		"owner", "satisfiesPZS", "satisfiesPZI", "generation":
		return sallyport.EffectUnknown, true
	case "lifecycle":
		return sallyport.Destroy, true // rules delete what lies there
	case "acl", "defaultObjectAcl", "iamConfiguration", "retentionPolicy", "softDeletePolicy", "versioning", "logging", "website", "cors", "encryption", "billing",
		"autoclass", "objectRetention", "customPlacementConfig", "ipFilter", "hierarchicalNamespace", "defaultEventBasedHold":
		return sallyport.Administer, true
	}
	return sallyport.EffectUnknown, false
}

// Members of an object.
func objectMember(name string) (sallyport.Effect, bool) {
	switch name {
	case "kind", "id", "selfLink", "mediaLink", "name", "bucket", "generation", "metageneration", "contentType", "storageClass", "size", "md5Hash", "crc32c", "etag",
		"contentEncoding", "contentDisposition", "contentLanguage", "cacheControl", "metadata", "customTime", "contexts", "timeCreated", "updated",
		"timeStorageClassUpdated", "timeFinalized", "componentCount", "owner":
		return sallyport.EffectUnknown, true
	case "acl", "retention", "temporaryHold", "eventBasedHold", "kmsKeyName", "retentionExpirationTime", "customerEncryption":
		return sallyport.Administer, true
	}
	return sallyport.EffectUnknown, false
}

// readBody reads the JSON of a method. why is set for one that cannot be judged.
func readBody(id string, b []byte) (out body, why string) {
	if len(b) == 0 {
		return out, ""
	}
	if len(b) > MaxBody {
		return out, "the request's JSON is too large"
	}
	if err := once(b); err != nil {
		return out, "the request's body is no JSON with each member once"
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return out, "the request's body is no JSON object"
	}
	member := objectMember
	switch id {
	case "buckets.insert", "buckets.patch", "buckets.update":
		member = bucketMember
	case "objects.insert", "objects.patch", "objects.update", "objects.copy", "objects.rewrite", "objects.move":
	case "objects.compose":
		return readCompose(members)
	default:
		return out, "" // rights and settings, which are judged as a whole
	}
	why = out.take(members, member)
	return out, why
}

// take notes what members change.
func (b *body) take(members map[string]json.RawMessage, member func(string) (sallyport.Effect, bool)) (why string) {
	for name, value := range members {
		e, ok := member(name)
		if !ok {
			return "the request's body has a member that is not known: " + word(name)
		}
		if e != sallyport.EffectUnknown {
			b.effects = append(b.effects, e)
		}
		if name == "name" && json.Unmarshal(value, &b.name) != nil || name == "bucket" && json.Unmarshal(value, &b.bucket) != nil {
			return "the name is no text"
		}
	}
	return ""
}

func readCompose(members map[string]json.RawMessage) (out body, why string) {
	// Maps, since a struct would take members whose names differ in case.
	var sources []map[string]json.RawMessage
	for name, value := range members {
		switch name {
		case "kind":
		case "sourceObjects":
			if json.Unmarshal(value, &sources) != nil {
				return out, "the objects that are composed are no list"
			}
		case "destination":
			var to map[string]json.RawMessage
			if json.Unmarshal(value, &to) != nil {
				return out, "the destination is no object"
			}
			if why := out.take(to, objectMember); why != "" {
				return out, why
			}
		default:
			return out, "the request's body has a member that is not known: " + word(name)
		}
	}
	for _, s := range sources {
		var object string
		for name, value := range s {
			switch name {
			case "name":
				if json.Unmarshal(value, &object) != nil {
					return out, "the name is no text"
				}
			case "generation", "objectPreconditions":
			default:
				return out, "the request's body has a member that is not known: " + word(name)
			}
		}
		if object == "" {
			return out, "an object that is composed has no name"
		}
		out.sources = append(out.sources, object)
	}
	return out, ""
}

// once reads JSON and wants each member of each object once, so that no two
// readers understand it differently.
func once(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := onceIn(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	return nil
}

func onceIn(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth == maxDepth {
		return errors.New("it is nested too deep")
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			key, err := d.Token()
			if err != nil {
				return err
			}
			name, ok := key.(string)
			if !ok || seen[name] {
				return errors.New("a member is there twice")
			}
			seen[name] = true
		}
		if err := onceIn(d, depth+1); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
