-- Verifies ES256 (RFC 7518, 3.4) with OpenSSL: the signature comes as two numbers of 32 bytes.
local ffi = require("ffi")

ffi.cdef([[
typedef struct bio_st BIO;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_ctx_st EVP_MD_CTX;
BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *a);
EVP_PKEY *PEM_read_bio_PUBKEY(BIO *bp, EVP_PKEY **x, void *cb, void *u);
EVP_MD_CTX *EVP_MD_CTX_new(void);
int EVP_MD_CTX_reset(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, void **pctx, const EVP_MD *type, void *e, EVP_PKEY *pkey);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sigret, size_t siglen,
                     const unsigned char *tbs, size_t tbslen);
void ERR_clear_error(void);
]])

local SHA256 = ffi.C.EVP_sha256()
local context = ffi.C.EVP_MD_CTX_new()

local _M = {}

function _M.key(pem)
  local bio = ffi.C.BIO_new_mem_buf(pem, #pem)
  local key = ffi.C.PEM_read_bio_PUBKEY(bio, nil, nil, nil)
  ffi.C.BIO_free(bio)
  assert(key ~= nil, "no public key in PEM form")
  return key
end

-- A number in DER: without zeros in front, but one where it would look negative.
local function integer(bytes)
  bytes = string.gsub(bytes, "^%z+", "")
  if bytes == "" or string.byte(bytes) >= 0x80 then
    bytes = "\0" .. bytes
  end
  return "\2" .. string.char(#bytes) .. bytes
end

function _M.verify(key, text, signature)
  if not signature or #signature ~= 64 then
    return false
  end
  local numbers = integer(string.sub(signature, 1, 32)) .. integer(string.sub(signature, 33))
  local der = "\48" .. string.char(#numbers) .. numbers
  ffi.C.EVP_MD_CTX_reset(context)
  local good = ffi.C.EVP_DigestVerifyInit(context, nil, SHA256, nil, key) == 1
    and ffi.C.EVP_DigestVerify(context, der, #der, text, #text) == 1
  ffi.C.ERR_clear_error()
  return good
end

return _M
