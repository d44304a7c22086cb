// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"

	"cloud.google.com/go/storage"
)

func (c *clients) buckets(ctx context.Context, _ call) (any, error) {
	return all(c.gcs.Buckets(ctx, c.project).Next, func(b *storage.BucketAttrs) string { return b.Name })
}

func (c *clients) createBucket(ctx context.Context, one call) (any, error) {
	return nil, c.gcs.Bucket(one.Bucket).Create(ctx, c.project, nil)
}

func (c *clients) deleteBucket(ctx context.Context, one call) (any, error) {
	return nil, c.gcs.Bucket(one.Bucket).Delete(ctx)
}

func (c *clients) objects(ctx context.Context, one call) (any, error) {
	return all(c.gcs.Bucket(one.Bucket).Objects(ctx, &storage.Query{Prefix: one.Prefix}).Next, func(o *storage.ObjectAttrs) string { return o.Name })
}

func (c *clients) put(ctx context.Context, one call) (any, error) {
	w := c.gcs.Bucket(one.Bucket).Object(one.Name).NewWriter(ctx)
	w.ContentType = one.Type
	if !one.Resumable {
		w.ChunkSize = 0 // one request
	}
	if _, err := io.WriteString(w, one.Text); err != nil {
		_ = w.Close()
		return nil, err
	}
	return nil, w.Close()
}

// get reads by the XML interface, as the library does, and it verifies the hash
// that the service says when the object is read whole.
func (c *clients) get(ctx context.Context, one call) (any, error) {
	length := one.Length
	if length == 0 {
		length = -1
	}
	r, err := c.gcs.Bucket(one.Bucket).Object(one.Name).NewRangeReader(ctx, one.Offset, length)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return string(text), err
}

func (c *clients) stat(ctx context.Context, one call) (any, error) {
	a, err := c.gcs.Bucket(one.Bucket).Object(one.Name).Attrs(ctx)
	if err != nil {
		return nil, err
	}
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, a.CRC32C))
	return map[string]any{"size": a.Size, "type": a.ContentType, "crc32c": sum, "md5": base64.StdEncoding.EncodeToString(a.MD5)}, nil
}

func (c *clients) remove(ctx context.Context, one call) (any, error) {
	return nil, c.gcs.Bucket(one.Bucket).Object(one.Name).Delete(ctx)
}

func (c *clients) copyObject(ctx context.Context, one call) (any, error) {
	_, err := c.gcs.Bucket(one.To).Object(one.Name).CopierFrom(c.gcs.Bucket(one.Bucket).Object(one.Name)).Run(ctx)
	return nil, err
}
