// Reads bands with ADIOS2 alone: read_adios2 NAME.dawn/band-*.bp
//
// Prints frequency, dumps, sum of weights and mean amplitude of every band. Compares every checksum, and ends with an
// error where a step or a byte is missing or wrong. docs/dataset.md is the format. With the wheel `pip install adios2`:
//
//   A=$(python -c 'import adios2, os; print(os.path.dirname(adios2.__file__))')
//   g++ -std=c++17 -O2 read_adios2.cpp -o read_adios2 -I$A/include -L$A -ladios2_cxx -ladios2_core -Wl,-rpath,$A,-rpath-link,$A.libs

#include <adios2.h>

#include <array>
#include <complex>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), going on from the checksum of the bytes before.
std::uint32_t crc32c(const void *data, std::size_t size, std::uint32_t so_far)
{
    static const auto table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i)
        {
            t[i] = i;
            for (int bit = 0; bit < 8; ++bit)
                t[i] = (t[i] >> 1) ^ (t[i] & 1 ? 0x82F63B78u : 0u);
        }
        return t;
    }();
    const auto *bytes = static_cast<const unsigned char *>(data);
    std::uint32_t crc = ~so_far;
    for (std::size_t i = 0; i < size; ++i)
        crc = (crc >> 8) ^ table[(crc ^ bytes[i]) & 0xff];
    return ~crc;
}

struct Reader
{
    adios2::IO io;
    adios2::Engine band;
    std::vector<std::uint32_t> sums;  // writer, variable
    std::vector<std::int64_t> parts;  // writer, (first baseline, number of baselines)

    template <class T>
    std::vector<T> get(const std::string &name)
    {
        auto variable = io.InquireVariable<T>(name);
        if (!variable)
            throw std::runtime_error(name + " is missing, or of another type");
        std::size_t size = 1;
        for (auto length : variable.Shape())
            size *= length;
        std::vector<T> values(size);
        band.Get(variable, values.data(), adios2::Mode::Sync);
        return values;
    }

    // Returns a variable once it is what was written; `column` is its place in crc32c. Of n_rows rows of n_baselines
    // each writer wrote its baselines; variables without baselines are the first writer's.
    template <class T>
    std::vector<T> checked(const std::string &name, int column, std::size_t n_rows = 1, std::size_t n_baselines = 0)
    {
        const auto values = get<T>(name);
        const std::size_t n_writers = parts.size() / 2;
        const std::size_t each = n_baselines ? values.size() / n_rows / n_baselines : 0;
        for (std::size_t writer = 0; writer < n_writers; ++writer)
        {
            std::uint32_t crc = 0;
            if (n_baselines)
                for (std::size_t row = 0; row < n_rows; ++row)
                    crc = crc32c(&values[(row * n_baselines + parts[2 * writer]) * each],
                                 parts[2 * writer + 1] * each * sizeof(T), crc);
            else if (writer == 0)
                crc = crc32c(values.data(), values.size() * sizeof(T), 0);
            if (crc != sums[writer * 5 + column])
                throw std::runtime_error(name + " of writer " + std::to_string(writer) + " was changed");
        }
        return values;
    }
};

void read_band(adios2::ADIOS &adios, const std::string &path)
{
    Reader reader;
    reader.io = adios.DeclareIO(path);
    reader.io.SetEngine("BP5");
    reader.io.AddTransport("File", {{"Library", "stdio"}});  // or a file cut short would be waited for, for ever
    reader.io.SetParameters({{"OpenTimeoutSecs", "0"}});  // or a missing file would be waited for, for an hour
    reader.band = reader.io.Open(path, adios2::Mode::Read);
    std::int64_t next_dump = 0, n_dumps = -1;
    double hz = 0, weights = 0, amplitudes = 0;
    while (reader.band.BeginStep(adios2::StepMode::Read, 0.0f) == adios2::StepStatus::OK)
    {
        n_dumps = reader.io.InquireAttribute<std::int64_t>("n_dumps").Data()[0];
        const auto channel_hz = reader.io.InquireAttribute<double>("channel_hz").Data();
        hz = 0;
        for (double centre : channel_hz)
            hz += centre / channel_hz.size();
        reader.sums = reader.get<std::uint32_t>("crc32c");
        reader.parts = reader.get<std::int64_t>("writer_baselines");
        const auto dump = reader.checked<std::int64_t>("dump", 0);
        reader.checked<double>("time_utc", 1);
        reader.checked<double>("station_uvw", 2);
        const auto shape = reader.io.InquireVariable<float>("vis").Shape();  // time, channel, baseline, pol, 2
        const auto pairs = reader.checked<float>("vis", 3, shape[0] * shape[1], shape[2]);
        const auto weight = reader.checked<float>("weight", 4, shape[0] * shape[1], shape[2]);
        // (re, im) pairs are std::complex<float>, by the standard.
        const auto *vis = reinterpret_cast<const std::complex<float> *>(pairs.data());
        double sum = 0;
        for (std::size_t i = 0; i < pairs.size() / 2; ++i)
            sum += std::abs(std::complex<double>(vis[i]));
        amplitudes += sum / (pairs.size() / 2 / shape[0]);
        for (float w : weight)
            weights += w;
        next_dump += static_cast<std::int64_t>(dump.size());
        reader.band.EndStep();
    }
    if (next_dump != n_dumps)
        throw std::runtime_error("it ends after " + std::to_string(next_dump) + " dumps");
    reader.band.Close();
    std::printf("%s: %.3f Hz, %lld dumps, weights %.6f, mean |V| %.6f Jy\n", path.c_str(), hz,
                static_cast<long long>(n_dumps), weights, amplitudes / n_dumps);
}

int main(int argc, char **argv)
{
    adios2::ADIOS adios;
    for (int i = 1; i < argc; ++i)
    {
        try
        {
            read_band(adios, argv[i]);
        }
        catch (const std::exception &error)
        {
            std::fprintf(stderr, "%s: %s\n", argv[i], error.what());
            return 1;
        }
    }
    return 0;
}
