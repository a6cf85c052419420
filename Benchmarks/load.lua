-- What wrk sends to every proxy alike: a POST of 1 KB of JSON, from one of 4 096 users in turn.
local requests, next_request = {}, 0

function init(args)
    local numbers = {}
    for i = 1, 150 do numbers[i] = string.format("%.4f", (i * 7919 % 10000) / 10000) end
    local body = '{"model":"fraud","id":"bench","inputs":[{"name":"features","shape":[1,150],"datatype":"FP64","data":['
        .. table.concat(numbers, ",") .. ']}]}'
    for user = 1, 4096 do
        requests[user] = wrk.format("POST", "/fraud", {
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
