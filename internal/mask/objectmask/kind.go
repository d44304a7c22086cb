// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package objectmask

import (
	"bytes"
	"errors"
	"mime"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"

	sallyport "github.com/sallyport-dev/sallyport"
	"github.com/sallyport-dev/sallyport/internal/mask/avromask"
	"github.com/sallyport-dev/sallyport/internal/mask/parquetmask"
	"github.com/sallyport-dev/sallyport/internal/mask/payload"
)

const hintKinds = "masked are text, CSV, NDJSON, JSON, FHIR, HL7 v2, X12, Avro and Parquet, each also packed by gzip but for Parquet; " +
	"else a policy has to permit the raw object"

// denied refuses an object of a kind that no mask knows.
func denied(msg string) error {
	return sallyport.E(sallyport.Denied, opMask, msg).WithHint(hintKinds)
}

// isPacked reports whether an object is packed by gzip, whatever its store says of
// it.
func isPacked(encoding string, head []byte) (bool, error) {
	gzipped := bytes.HasPrefix(head, []byte("\x1f\x8b\x08"))
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return gzipped, nil
	case "gzip", "x-gzip":
		return gzipped, nil // some say so of what is not packed
	}
	return false, denied("the object is packed in a way that is not known here, so it is withheld")
}

func corrupt(err error) bool {
	var c flate.CorruptInputError
	return errors.As(err, &c)
}

// shape is what is known of an object before it is read.
type shape struct {
	name   string
	media  string
	packed bool
}

// known returns the content type without parameters, and "" where it says nothing.
func (s *shape) known() string {
	media, _, err := mime.ParseMediaType(s.media)
	if err != nil {
		return ""
	}
	switch media {
	case "application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded", "application/gzip", "application/x-gzip":
		return ""
	}
	return media
}

// extension returns the end of the name, without that of the packing.
func (s *shape) extension() string {
	name := strings.ToLower(path.Base(s.name))
	if s.packed {
		name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".gzip")
	}
	return path.Ext(name)
}

// kind tells how an object is masked: by its beginning, where that is certain, else
// by its content type, else by its name.
func (s *shape) kind(head []byte) (payload.Kind, error) {
	switch {
	case len(head) == 0:
		return payload.NDJSON, nil // nothing is masked to nothing
	case bytes.HasPrefix(head, []byte(parquetmask.Magic)):
		if s.packed {
			return "", denied("the object is a Parquet file within gzip, so it is withheld")
		}
		return Parquet, nil
	case bytes.HasPrefix(head, []byte(avromask.Magic)):
		return Avro, nil
	case bytes.HasPrefix(head, []byte("PARE")):
		return "", denied("the object is an encrypted Parquet file, so it is withheld")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "", denied("the object is packed twice, so it is withheld")
	}
	declared, ok := s.declared()
	if !ok || opaque(head) {
		return "", denied("the object is of a kind that cannot be masked, so it is withheld")
	}
	k, err := choose(declared, payload.Sniff(head))
	if err == nil && k != payload.Text && !s.readable() {
		return "", denied("the object is in an encoding that cannot be masked, so it is withheld")
	}
	return k, err
}

// choose decides between what is said of an object and what it looks like.
func choose(declared, sniffed payload.Kind) (payload.Kind, error) {
	switch {
	case declared == payload.JSON && (sniffed == payload.FHIR || sniffed == payload.NDJSON):
		return sniffed, nil
	case declared == payload.Text || declared == payload.CSV && sniffed != payload.Text:
		return sniffed, nil // "text" may be said of everything
	case declared != "":
		return declared, nil
	case sniffed != payload.Text:
		return sniffed, nil
	}
	return "", denied("it cannot be told what kind of file the object is, so it is withheld")
}

// readable reports whether an object is said to be in UTF-8, which all masks read but
// that of texts, which looks for itself.
func (s *shape) readable() bool {
	_, params, err := mime.ParseMediaType(s.media)
	if err != nil {
		return true
	}
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return true
	}
	return false
}

// declared returns the kind that content type or name say, "" where they say
// nothing. ok is false where they say something that no mask knows.
func (s *shape) declared() (k payload.Kind, ok bool) {
	media := s.known()
	switch {
	case media == "application/fhir+json":
		return payload.FHIR, true
	case media == "application/x-ndjson", media == "application/ndjson", media == "application/jsonl", media == "application/x-jsonlines",
		media == "application/fhir+ndjson":
		return payload.NDJSON, true
	case media == "text/csv", media == "text/tab-separated-values":
		return payload.CSV, true
	case media == "application/json", strings.HasSuffix(media, "+json"), media == "text/json":
		return payload.JSON, true
	case media == "application/hl7-v2", media == "x-application/hl7-v2+er7":
		return payload.HL7, true
	case media == "application/edi-x12":
		return payload.X12, true
	case media == "", media == "text/plain":
		k, known := byName()[s.extension()]
		if !known && media == "" {
			return "", !refused()[s.extension()]
		}
		if !known {
			k = payload.Text
		}
		return k, true
	case strings.HasPrefix(media, "text/"), media == "application/xml", strings.HasSuffix(media, "+xml"):
		return payload.Text, true
	}
	return "", false // also Parquet and Avro that do not begin like it
}

// byName are the kinds of names.
func byName() map[string]payload.Kind {
	return map[string]payload.Kind{
		".csv": payload.CSV, ".tsv": payload.CSV, ".json": payload.JSON, ".ndjson": payload.NDJSON, ".jsonl": payload.NDJSON, ".hl7": payload.HL7,
		".x12": payload.X12, ".txt": payload.Text, ".log": payload.Text, ".md": payload.Text, ".xml": payload.Text, ".html": payload.Text,
	}
}

// refused are names that say something else than the object's beginning does.
func refused() map[string]bool {
	return map[string]bool{".parquet": true, ".avro": true, ".dcm": true, ".pdf": true, ".zip": true, ".png": true, ".jpg": true, ".jpeg": true, ".orc": true}
}

// opaque reports whether an object is none of texts, by what no text has: a zero
// byte, unless it is UTF-16, or the mark of DICOM.
func opaque(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return false
	}
	for _, mark := range []string{"%PDF-", "%!PS", "{\\rtf", "GIF8", "\x89PNG", "\xff\xd8\xff", "PK\x03\x04", "SQLite format 3"} {
		if bytes.HasPrefix(head, []byte(mark)) {
			return true
		}
	}
	return bytes.IndexByte(head, 0) >= 0
}

// contentType is the type that the masked object is given out with.
func (s *shape) contentType(k payload.Kind) string {
	media := s.known()
	switch k {
	case payload.Text:
		if media == "" {
			media = "text/plain"
		}
		return media + "; charset=utf-8"
	case Parquet:
		return orElse(media, "application/vnd.apache.parquet")
	case Avro:
		return orElse(media, "application/avro")
	case payload.CSV:
		return orElse(media, "text/csv")
	case payload.JSON:
		return orElse(media, "application/json")
	case payload.FHIR:
		return orElse(media, "application/fhir+json")
	case payload.NDJSON:
		return orElse(media, "application/x-ndjson")
	case payload.HL7:
		return orElse(media, "application/hl7-v2")
	case payload.X12:
		return orElse(media, "application/edi-x12")
	}
	return orElse(media, "application/octet-stream")
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
