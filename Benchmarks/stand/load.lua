-- What wrk sends to every proxy alike: a POST of about 1 KB of JSON, from one of 4 096 users in turn. The first argument says
-- which: "fraud", a row of numbers for a model, or "chat", a conversation for a language model.
local requests, next_request = {}, 0

local function fraud()
    local numbers = {}
    for i = 1, 150 do numbers[i] = string.format("%.4f", (i * 7919 % 10000) / 10000) end
    return "/fraud", '{"model":"fraud","id":"bench","inputs":[{"name":"features","shape":[1,150],"datatype":"FP64","data":['
        .. table.concat(numbers, ",") .. ']}]}'
end

local function chat()
    local asked = {}
    for i = 1, 12 do asked[i] = "My card was charged twice on order " .. 4000 + i .. " and I want to know why." end
    return "/v1/chat/completions", '{"model":"bench","messages":[{"role":"system","content":"You help customers."},'
        .. '{"role":"user","content":"' .. table.concat(asked, " ") .. '"}],"temperature":0.7,"max_tokens":200}'
end

function init(args)
    local path, body = (args[1] == "chat" and chat or fraud)()
    for user = 1, 4096 do
        requests[user] = wrk.format("POST", path, {
            ["Host"] = "127.0.0.1", ["Content-Type"] = "application/json", ["X-User-Id"] = "user-" .. user,
        }, body)
    end
end

function request()
    next_request = next_request % 4096 + 1
    return requests[next_request]
end

function done(summary, latency, rest)
    local errors = summary.errors
    io.write(string.format('RESULT {"requests":%d,"microseconds":%d,"errors":%d,"p50_us":%d,"p99_us":%d}\n',
        summary.requests, summary.duration,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
